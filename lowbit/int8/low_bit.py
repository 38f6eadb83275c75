"""The debugger on low-bit layers: what each quantizer keeps of what it is given."""

import torch
from torch import Tensor, nn

from lowbit.int8.debug import Row, row
from lowbit.int8.sensitivity import low_bit_layers
from lowbit.quant import Quantizer


def compare_quantizers(model: nn.Module, batch: Tensor) -> list[Row]:
    """A row for every quantizer in `model`, which is in evaluation mode, in order of execution:
    "LAYER.weight", whose floats are the latent weights, and "LAYER.input"."""
    rows: list[Row] = []
    hooks = [
        layer.register_forward_pre_hook(lambda m, args, name=name: rows.extend(both(name, m, args)))
        for name, layer in low_bit_layers(model).items()
    ]
    try:
        with torch.no_grad():
            model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def both(name: str, layer: nn.Module, args: tuple[Tensor, ...]) -> list[Row]:
    given = {
        "input": (layer.input_quantizer, args[0]),
        "weight": (layer.weight_quantizer, layer.weight),
    }
    return [
        of_quantizer(f"{name}.{role}", quantizer, x)
        for role, (quantizer, x) in given.items()
        if isinstance(quantizer, Quantizer)
    ]


def of_quantizer(name: str, quantizer: Quantizer, x: Tensor) -> Row:
    codes = quantizer.terms(x)[0].codes
    spec = quantizer.specs[0]
    want, got = x.detach().float().numpy(), quantizer(x).detach().float().numpy()
    return row(name, want, got, codes.detach().numpy(), spec.levels)
