r"""Ranges of activations in training, and the pretended gradients of rounding within them.

    q = clip(round(x / s) + z, -128, 127),   y = s (q - z),                                   (1)

with the gradient of clip for x. Where s is learned, dy/ds is round(x / s) - x / s inside the range
and the code of its end outside: Esser et al., "Learned Step Size Quantization", 2020, eq. (3).
"""

import math

import torch
from torch import Tensor, nn

from lowbit.int8.parameters import activation_parameters
from lowbit.quant.step import ScaleGradient
from lowbit.spec import INT8, Parameters, QuantSpec

MOMENTUM = 0.99  # of the moving averages, a batch
SMALLEST = 1e-20  # of a scale, which is divided by


def rounded(x: Tensor) -> Tensor:
    """round(x) with the gradient of x: exact forwards for codes below 2^23."""
    return x + (x.round() - x).detach()


def fake(x: Tensor, scale: Tensor, zero: Tensor | int, spec: QuantSpec) -> Tensor:
    """Equation (1), differentiable by x and by the scale."""
    return rounded(x / scale).clamp(spec.lo - zero, spec.hi - zero) * scale


class Range(nn.Module):
    """The range of the tensors that share their parameters."""

    lo: Tensor
    hi: Tensor

    def __init__(self, lo: float, hi: float) -> None:
        super().__init__()
        self.register_buffer("lo", torch.tensor(min(lo, 0.0)))
        self.register_buffer("hi", torch.tensor(max(hi, 0.0)))

    def see(self, x: Tensor) -> None:
        """Shown every tensor that has this range, in training."""

    def end_batch(self) -> None: ...

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def parameters_now(self) -> Parameters:
        return activation_parameters(float(self.lo), float(self.hi))


class MovingAverage(Range):
    """Ends that follow the batches': Jacob et al., 2018, section 3.1."""

    def __init__(self, lo: float, hi: float) -> None:
        super().__init__(lo, hi)
        self.batch: tuple[Tensor, Tensor] | None = None

    def see(self, x: Tensor) -> None:
        low, high = torch.aminmax(x.detach())
        if self.batch is not None:
            low, high = torch.minimum(low, self.batch[0]), torch.maximum(high, self.batch[1])
        self.batch = low, high

    def end_batch(self) -> None:
        if self.batch is None:
            return
        for end, new in zip((self.lo, self.hi), self.batch, strict=True):
            end.lerp_(new.to(end), 1 - MOMENTUM)
        self.lo.clamp_max_(0)
        self.hi.clamp_min_(0)
        self.batch = None

    def forward(self, x: Tensor) -> Tensor:
        scale = ((self.hi - self.lo) / (INT8.hi - INT8.lo)).clamp_min(SMALLEST)
        zero = (INT8.lo - self.lo / scale).round().clamp(INT8.lo, INT8.hi)
        return fake(x, scale, zero, INT8)


class Learned(Range):
    """A learned scale around the zero point that calibration found."""

    def __init__(self, lo: float, hi: float) -> None:
        super().__init__(lo, hi)
        scale, self.zero = activation_parameters(lo, hi)
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        count = math.prod(x.shape[1:])
        scale = ScaleGradient.apply(self.scale, 1 / math.sqrt(count * INT8.hi))
        return fake(x, scale.abs().clamp_min(SMALLEST), self.zero, INT8)

    def parameters_now(self) -> Parameters:
        return Parameters(float(self.scale.detach().abs().clamp_min(SMALLEST)), self.zero)
