"""Ternary quantizers: {-1, 0, +1} by a threshold, one scale or two."""

import torch
from torch import Tensor, nn

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Clipped, Identity
from lowbit.quant.registry import both, weight
from lowbit.quant.rescaled import Rescaled
from lowbit.quant.scale import MeanAbove, Unit, averaged
from lowbit.quant.snap import snap
from lowbit.spec import TERNARY, QuantSpec, unsigned


class SteTern(Quantizer):
    """q(x) = sign(sign(x + d) + sign(x - d)), gradient 1{|x| <= 1}: +1 from d on, -1 from -d.

    Larq's ternary quantizer, d = 0.05, without a scale.
    """

    def __init__(self, threshold: float = 0.05) -> None:
        super().__init__(TERNARY, Unit(), Clipped())
        self.threshold = threshold

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        d = self.threshold
        codes = (x >= d).to(x.dtype) - (x <= -d).to(x.dtype)
        return (Term(snap(x, self.spec, self.gradient, codes), self.scale(x)),)


@both("ste_tern")
def ste_tern() -> Quantizer:
    return SteTern()


class MeanThreshold(nn.Module):
    """0.7 mean |w|, of the layer or of each filter: TWN's eq. (6)."""

    def __init__(self, per_channel: bool) -> None:
        super().__init__()
        self.per_channel = per_channel

    def forward(self, w: Tensor) -> Tensor:
        return 0.7 * averaged(w.detach().abs(), self.per_channel)


class TWN(Rescaled):
    """q(w) = a {+1 if w > d, -1 if w < -d, else 0}, gradient 1.

    d = 0.7 mean |w| and a = mean of |w| over |w| > d. Li et al., "Ternary Weight Networks", 2016
    [1605.04711], eqs. (3), (5) and (6): a layer has one d and one a; `per_channel` gives each
    filter its own.
    """

    def __init__(self, per_channel: bool) -> None:
        threshold = MeanThreshold(per_channel)
        super().__init__(TERNARY, MeanAbove(threshold, per_channel), Identity())
        self.threshold = threshold

    def codes(self, x: Tensor) -> Tensor:
        return ternary(x, self.threshold(x))


def ternary(w: Tensor, d: Tensor) -> Tensor:
    return (w > d).to(w.dtype) - (w < -d).to(w.dtype)


@weight("twn")
def twn() -> Quantizer:
    return TWN(per_channel=False)


@weight("twn_per_filter")
def twn_per_filter() -> Quantizer:
    return TWN(per_channel=True)


class TTQ(Quantizer):
    """q(w) = +p if w > d, -n if w < -d, else 0, with p and n learned and d = 0.05 max |w|.

    Zhu et al., "Trained Ternary Quantization", 2017 [1612.01064]. Two terms, 1{w > d} p and
    1{w < -d} (-n). dL/dp sums g over w > d; dL/dn is minus the sum over w < -d, as the minus
    sign in the output demands (eq. (7) prints it without). The latent weight gets g p, g and
    g n in the three regions: eq. (8).
    """

    def __init__(self, fraction: float = 0.05) -> None:
        super().__init__(unsigned(1), Unit(), Identity())
        self.fraction = fraction
        self.positive = nn.Parameter(torch.ones(()))
        self.negative = nn.Parameter(torch.ones(()))

    @property
    def specs(self) -> tuple[QuantSpec, ...]:
        return (self.spec, self.spec)

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        w, p = x.detach(), self.positive.detach()
        d = self.fraction * w.abs().amax()
        above, under = (w > d).to(w.dtype), (w < -d).to(w.dtype)
        # Each code's gradient comes back multiplied by its scale. Between the thresholds it is
        # to be 1, so there the first term is divided by p in advance.
        between = (1 - above - under) / torch.where(p == 0, 1.0, p)
        plus = snap(x * (above + between), self.spec, self.gradient, above)
        minus = snap(x * -under, self.spec, self.gradient, under)
        return (Term(plus, self.positive), Term(minus, -self.negative))


@weight("ttq")
def ttq() -> Quantizer:
    return TTQ()
