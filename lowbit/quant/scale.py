"""Scale rules: the float that a tensor's codes are multiplied by.

A rule returns None for 1, a scalar, or one scale a channel in the shape (O, 1, ...) that
broadcasts against a weight whose first axis is its output channels.
"""

import torch
from torch import Tensor, nn


class ScaleRule(nn.Module):
    def forward(self, x: Tensor) -> Tensor | None:
        raise NotImplementedError


class Unit(ScaleRule):
    """1: the codes are the values."""

    def forward(self, x: Tensor) -> None:
        return None


class MeanAbs(ScaleRule):
    """mean |x|, for each output channel or for the whole tensor.

    With `detach`, no gradient reaches x through it.
    """

    def __init__(self, per_channel: bool = True, detach: bool = False) -> None:
        super().__init__()
        self.per_channel = per_channel
        self.detach = detach

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach() if self.detach else x
        if not self.per_channel:
            return x.abs().mean()
        return x.abs().mean(dim=tuple(range(1, x.ndim)), keepdim=True)

    def extra_repr(self) -> str:
        return f"per_channel={self.per_channel}, detach={self.detach}"


class Constant(ScaleRule):
    """A scale known from the alphabet, such as DoReFa's 1 / (2^k - 1)."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((), self.value, dtype=x.dtype, device=x.device)

    def extra_repr(self) -> str:
        return f"{self.value}"
