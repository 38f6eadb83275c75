"""Pretended gradients: what the backward pass takes a step function's derivative to be.

Each is called with the incoming gradient g and the float u that was snapped, both in code units.
"""

import math

import numpy as np
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
        # hardtanh's backward is one pass over memory, with its bounds left out: the closed
        # window is the open one between the next floats.
        self.outside = {
            torch.float32: (below(lo), above(hi)),
            torch.float64: (math.nextafter(lo, -math.inf), math.nextafter(hi, math.inf)),
        }

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        lo, hi = self.outside[u.dtype]
        return torch.ops.aten.hardtanh_backward(g, u, lo, hi)

    def extra_repr(self) -> str:
        return f"window={self.window}"


def below(x: float) -> float:
    return float(np.nextafter(np.float32(x), np.float32(-np.inf)))


def above(x: float) -> float:
    return float(np.nextafter(np.float32(x), np.float32(np.inf)))


class OpenClipped(Gradient):
    """g 1{lo < u < hi}, the window of Esser et al., "Learned Step Size Quantization", 2020,
    eq. (5)."""

    def __init__(self, lo: float, hi: float) -> None:
        super().__init__()
        self.window = (lo, hi)

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        assert self.window is not None
        return torch.ops.aten.hardtanh_backward(g, u, *self.window)

    def extra_repr(self) -> str:
        return f"window={self.window}"


class Triangle(Gradient):
    """g (2 - 2|u|) 1{|u| <= 1}: the derivative of a piecewise parabola that follows sign closer
    than the clip does. Liu et al., "Bi-Real Net", 2018 [1808.00278], section 3.3."""

    window = (-1.0, 1.0)

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        return u.abs().sub_(1).clamp_max_(0).mul_(g).mul_(-2)


class Swish(Gradient):
    """g b (2 - b u tanh(b u / 2)) / (1 + cosh(b u)): the derivative of SignSwish.

    Darabi et al., "BNN+", 2018 [1812.11800]; b = 5 as there.
    """

    def __init__(self, beta: float = 5.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        z = (self.beta * u).clamp(-80, 80)  # beyond, cosh overflows and the quotient is nothing
        return g * self.beta * (2 - z * (z / 2).tanh()) / (1 + z.cosh())

    def extra_repr(self) -> str:
        return f"beta={self.beta}"


class Sharpening(Gradient):
    """A gradient that changes as training goes on, from progress 0 to 1.

    Progress is a float buffer: checkpoints and averaged weights keep it, and no training step
    reads it back from the device.
    """

    progress: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("progress", torch.zeros(()))

    def set_progress(self, progress: float) -> None:
        if not 0 <= progress <= 1:
            raise ValueError(f"progress is a number from 0 to 1, not {progress}")
        self.progress.fill_(progress)


class ErrorDecay(Sharpening):
    """g k t (1 - tanh(t u)^2), with t from 0.1 to 10 as training goes on and k = max(1 / t, 1).

    t = 0.1 * 100^p at progress p: early every weight moves, late only those that may still flip.
    Qin et al., "IR-Net", 2020 [1909.10788], eqs. (8) to (10).
    """

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        t = 0.1 * 100**self.progress
        slope = (t * u).tanh_().square_().sub_(1)  # in place: memory is what this costs
        return slope.mul_(g).mul_(-t.clamp_min(1))  # k t = max(1, t)


class QuantileClipped(Sharpening):
    """g 1{|u| <= Q}, with Q the quantile at tau of a Laplacian fitted to u.

    Q = -mean|u| ln(2 - 2 tau), and tau goes from 0.85 to 0.99 along (e^p - 1) / (e - 1) at
    progress p. Xu et al., "ReCU", 2021 [2103.12369], section 3.2.
    """

    def forward(self, g: Tensor, u: Tensor) -> Tensor:
        tau = 0.85 + (0.99 - 0.85) * self.progress.expm1() / math.expm1(1)
        edge = -u.abs().mean() * (2 - 2 * tau).log()
        return g.masked_fill(u.abs() > edge, 0)


def set_progress(model: nn.Module, progress: float) -> None:
    """Tells every gradient in `model` that sharpens how far training has come, from 0 to 1."""
    for module in model.modules():
        if isinstance(module, Sharpening):
            module.set_progress(progress)
