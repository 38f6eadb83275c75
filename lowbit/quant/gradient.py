"""Pretended gradients: what the backward pass takes a step function's derivative to be.

Each is called with the incoming gradient g and the float u that was snapped, both in code units.
"""

import torch
from torch import Tensor, nn


class Gradient(nn.Module):
    """g times the pretended derivative at u. `window` is where that is not zero, or None."""

    window: tuple[float, float] | None = None

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        raise NotImplementedError


class Identity(Gradient):
    """g: the straight-through estimator without a window (Hinton; Bengio et al., 2013)."""

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        return g


class Clipped(Gradient):
    """g 1{lo <= u <= hi}, by default on [-1, 1]: Hubara et al., "Binarized Neural Networks",
    2016, eq. (4)."""

    def __init__(self, lo: float = -1.0, hi: float = 1.0) -> None:
        super().__init__()
        self.window = (lo, hi)

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        assert self.window is not None
        lo, hi = self.window
        outside = u.abs() > hi if lo == -hi else (u < lo).logical_or_(u > hi)
        return g.masked_fill(outside, 0)

    def extra_repr(self) -> str:
        return f"window={self.window}"


class OpenClipped(Clipped):
    """g 1{lo < u < hi}, the window of Esser et al., "Learned Step Size Quantization", 2020,
    eq. (5)."""

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        assert self.window is not None
        lo, hi = self.window
        return torch.where((u > lo) & (u < hi), g, 0)
