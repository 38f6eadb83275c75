"""Where learned steps and offsets start, from the first tensor that is seen."""

import torch
from torch import Tensor

from lowbit.spec import QuantSpec

SAMPLE = 4096  # values that a search looks at
SHRINKS = 24  # how far each end of the range is drawn in, in so many steps


def usable(step: Tensor) -> Tensor:
    """A step that can be divided by: a tensor of equal values tells nothing, and gives 1."""
    return torch.where(step > 0, step, 1.0)


def mean_magnitude(spec: QuantSpec, x: Tensor) -> Tensor:
    """s = 2 mean|x| / sqrt(hi): LSQ [1902.08153], section 2.1."""
    return usable(2 * x.abs().mean() / spec.hi**0.5)


def three_sigma(spec: QuantSpec, x: Tensor) -> Tensor:
    """s = max(|mean - 3 std|, |mean + 3 std|) / 2^(k-1): LSQ+ [2004.09576], eq. (7)."""
    mean, reach = x.mean(), 3 * x.std(correction=0)
    return usable(torch.maximum((mean - reach).abs(), (mean + reach).abs()) / -spec.lo)


def least_squares(spec: QuantSpec, x: Tensor) -> tuple[Tensor, Tensor]:
    """The s and b whose codes {0..hi} s + b lie closest to x, in the mean square.

    Both ends of the range are drawn in towards the mean, independently, over a grid.
    """
    x = x.flatten()[:: max(1, x.numel() // SAMPLE)]
    drawn = torch.linspace(1 / SHRINKS, 1, SHRINKS, dtype=x.dtype, device=x.device)
    mean = x.mean()
    low = (mean + drawn * (x.amin() - mean)).view(-1, 1, 1)
    high = (mean + drawn * (x.amax() - mean)).view(1, -1, 1)
    step = usable((high - low) / (spec.hi - spec.lo))
    value = ((x - low) / step).round().clamp(spec.lo, spec.hi) * step + low
    best = (value - x).square().mean(-1).argmin()
    return step.flatten()[best], low.expand_as(step).flatten()[best]


def least_squares_step(spec: QuantSpec, x: Tensor) -> Tensor:
    return least_squares(spec, x)[0]


def least_squares_offset(spec: QuantSpec, x: Tensor) -> Tensor:
    return least_squares(spec, x)[1]
