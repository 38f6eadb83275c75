"""Shadow weights keep float32: a step of 1e-4 on a bfloat16 weight of 0.3 changes nothing."""

import torch
from torch import nn


class ShadowPrecisionError(TypeError):
    """A layer's float weights were asked to be narrower than float32."""


def require_float32(module: nn.Module) -> None:
    """Refuses a module whose own parameters are below float32."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ShadowPrecisionError(
                f"{type(module).__name__}.{name} would be {parameter.dtype}: shadow weights stay "
                "float32, since small updates vanish below it. Use mixed precision "
                "(precision='bf16-mixed') instead of a converted model"
            )
