"""Scale rules: the float that a tensor's codes are multiplied by.

A rule returns None for 1, a scalar, or one scale a channel in the shape (O, 1, ...) that
broadcasts against a weight whose first axis is its output channels.
"""

import torch
from torch import Tensor, nn

# Scales that are divided by stay above this, so that a tensor of zeros gets finite codes and
# its gradient gets through: g * FLOOR / FLOOR is g still.
FLOOR = 1e-30


class ScaleRule(nn.Module):
    def forward(self, x: Tensor) -> Tensor | None:
        raise NotImplementedError


class Unit(ScaleRule):
    """1: the codes are the values."""

    def forward(self, x: Tensor) -> None:
        return None


class Constant(ScaleRule):
    """A scale known from the alphabet, such as DoReFa's 1 / (2^k - 1)."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((), self.value, dtype=x.dtype, device=x.device)

    def extra_repr(self) -> str:
        return f"{self.value}"


class MeanAbs(ScaleRule):
    """mean |x|, for each output channel or for the whole tensor, and at least `floor`.

    With `detach`, no gradient reaches x through it.
    """

    def __init__(
        self, per_channel: bool = True, detach: bool = False, floor: float | None = None
    ) -> None:
        super().__init__()
        self.per_channel = per_channel
        self.detach = detach
        self.floor = floor

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach() if self.detach else x
        mean = averaged(x.abs(), self.per_channel)
        return mean if self.floor is None else mean.clamp_min(self.floor)

    def extra_repr(self) -> str:
        return f"per_channel={self.per_channel}, detach={self.detach}"


def channel_axes(x: Tensor) -> tuple[int, ...]:
    """Every axis but the first, an output channel's."""
    return tuple(range(1, x.ndim))


def summed(x: Tensor, per_channel: bool) -> Tensor:
    """(O, 1, ...), or the sum of all as a scalar: that of the channels' sums, for torch divides a
    sum over everything between its threads, and its last bit would tell how many they were."""
    if per_channel:
        return x.sum(channel_axes(x), keepdim=True)
    return x.reshape(len(x), -1).sum(1).sum()


def averaged(x: Tensor, per_channel: bool) -> Tensor:
    """The mean in the shape and the order of `summed`."""
    if per_channel:
        return x.mean(channel_axes(x), keepdim=True)
    return summed(x, per_channel) / x.numel()


class MeanAbove(ScaleRule):
    """mean of |x| over |x| > threshold(x), detached: the least-squares scale of TWN's codes."""

    def __init__(self, threshold: nn.Module, per_channel: bool) -> None:
        super().__init__()
        self.threshold = threshold
        self.per_channel = per_channel

    def forward(self, x: Tensor) -> Tensor:
        size = x.detach().abs()
        kept = size > self.threshold(x)
        total, count = (summed(t, self.per_channel) for t in (size * kept, kept))
        return (total / count.clamp_min(1)).clamp_min(FLOOR)


class PowerOfTwo(ScaleRule):
    """2^round(log2 s) for another rule's s, detached: a shift. IR-Net [1909.10788], eq. (6)."""

    def __init__(self, rule: ScaleRule) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, x: Tensor) -> Tensor:
        scale = self.rule(x).detach().clamp_min(FLOOR)
        return torch.ldexp(torch.ones_like(scale), scale.log2().round())


class MaxAbs(ScaleRule):
    """max |x| / top for each token, detached: what maps the token onto [-top, top].

    A token is the last axis of a linear layer's input, and a whole sample for a convolution,
    whose sum cannot be divided between pixels.
    """

    def __init__(self, top: int, axis: int, floor: float = 1e-5) -> None:
        super().__init__()
        self.top = top
        self.axis = axis
        self.floor = floor

    def forward(self, x: Tensor) -> Tensor:
        axes = (-1,) if self.axis == -1 else channel_axes(x)
        return x.detach().abs().amax(axes, keepdim=True).clamp_min(self.floor) / self.top
