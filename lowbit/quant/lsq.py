"""Learned step size quantization: Esser et al., 2020 [1902.08153], and with an offset, LSQ+:
Bhalgat et al., 2020 [2004.09576]."""

import math
from functools import partial

from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Identity, OpenClipped
from lowbit.quant.registry import input, require_bits, weight
from lowbit.quant.scale import FLOOR, Unit
from lowbit.quant.snap import snap
from lowbit.quant.start import (
    least_squares_offset,
    least_squares_step,
    mean_magnitude,
    three_sigma,
)
from lowbit.quant.step import Learned, Start, divided
from lowbit.spec import QuantSpec, signed, unsigned

ONE = QuantSpec(1, 1)


class LSQ(Quantizer):
    """q(v) = round(clip(v / s, lo, hi)) s with one learned s a tensor.

        dq/dv = 1{lo < v / s < hi}
        dq/ds = round(v / s) - v / s inside, lo or hi outside

    Both are the derivatives of codes(v / s) * s, whose codes pass gradients inside the window:
    eqs. (3) and (5). s starts as 2 mean|v| / sqrt(hi).
    """

    def __init__(self, spec: QuantSpec, start: Start, whole: bool) -> None:
        super().__init__(spec, Unit(), OpenClipped(spec.lo, spec.hi))
        self.step = Learned(start, spec.hi, known=whole)
        self.whole = whole

    def positive_step(self, x: Tensor) -> Tensor:
        """The step, kept from zero and below: a step that overshoots comes back as |s|."""
        return self.step(x, self.count(x)).abs().clamp_min(FLOOR)

    def count(self, x: Tensor) -> int:
        """N: all of a weight, but one sample of a batch."""
        return x.numel() if self.whole else math.prod(x.shape[1:])

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        s = self.positive_step(x)
        return (Term(snap(divided(x, s), self.spec, self.gradient), s),)

    def restored(self) -> None:
        super().restored()
        self.step.restored()


@weight("lsq")
def lsq_weight(bits: int) -> Quantizer:
    require_bits(bits, 2, 8, "lsq for weights")
    spec = signed(bits)
    return LSQ(spec, partial(mean_magnitude, spec), whole=True)


@input("lsq")
def lsq_input(bits: int) -> Quantizer:
    """Unsigned codes: for what follows a ReLU."""
    require_bits(bits, 1, 8, "lsq")
    spec = unsigned(bits)
    return LSQ(spec, partial(mean_magnitude, spec), whole=False)


class LSQPlus(LSQ):
    """q(x) = round(clip((x - b) / s, 0, hi)) s + b, with b learned beside s.

    Two terms, codes * s and 1 * b, so that padding still adds nothing. dq/db is 0 inside the
    window and 1 outside: eqs. (4) to (6). Both start where the squared error on the first batch
    is least (section 3.2).
    """

    def __init__(self, bits: int) -> None:
        spec = unsigned(bits)
        super().__init__(spec, partial(least_squares_step, spec), whole=False)
        self.offset = Learned(partial(least_squares_offset, spec), spec.hi)

    @property
    def specs(self) -> tuple[QuantSpec, ...]:
        return (self.spec, ONE)

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        s, b = self.positive_step(x), self.offset(x, self.count(x))
        codes = snap(divided(x - b, s), self.spec, self.gradient)
        ones = codes.detach().new_ones((1, *codes.shape[1:]))
        return Term(codes, s), Term(snap(ones, ONE, Identity()), b)

    def restored(self) -> None:
        super().restored()
        self.offset.restored()


@weight("lsq_plus")
def lsq_plus_weight(bits: int) -> Quantizer:
    """LSQ's weights, but s starts as max |mean -+ 3 std| / 2^(k-1): eq. (7)."""
    require_bits(bits, 2, 8, "lsq_plus for weights")
    spec = signed(bits)
    return LSQ(spec, partial(three_sigma, spec), whole=True)


@input("lsq_plus")
def lsq_plus_input(bits: int) -> Quantizer:
    require_bits(bits, 1, 8, "lsq_plus")
    return LSQPlus(bits)
