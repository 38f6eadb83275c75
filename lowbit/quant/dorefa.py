"""DoReFa-Net's k-bit weights and activations: Zhou et al., 2016 [1606.06160].

Its k-bit gradients are a layer: `lowbit.nn.QuantizeGradient`.
"""

import torch
from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Clipped, Gradient, Identity
from lowbit.quant.registry import input, require_bits, weight
from lowbit.quant.scale import FLOOR, Constant, MeanAbs, ScaleRule
from lowbit.quant.snap import require_finite, sign, snap
from lowbit.spec import QuantSpec, odd, unsigned


class Annealed(Quantizer):
    """A quantizer whose bits may change while it trains. `bits_now` keeps them in checkpoints,
    as a float, since averaging leaves equal floats alone and truncates integers."""

    bits_now: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__(*self.choices(bits))
        self.register_buffer("bits_now", torch.tensor(float(bits)))

    def choices(self, bits: int) -> tuple[QuantSpec, ScaleRule, Gradient]:
        raise NotImplementedError

    def set_bits(self, bits: int) -> None:
        self.spec, self.scale, self.gradient = self.choices(bits)
        self.train(self.training)  # what is new would be in training mode
        self.bits_now.fill_(bits)

    def restored(self) -> None:
        super().restored()
        self.set_bits(round(self.bits_now.item()))


class DoReFaWeight(Annealed):
    r"""q(w) = 2 round(n t) / n - 1 with n = 2^k - 1 and t = tanh(w) / (2 max|tanh w|) + 1/2.

    Over a common denominator that is (2 round(n t) - n) / n: an odd integer times 1 / n, so the
    exported weights need no zero point. Equation (9); the rounding passes gradients unchanged,
    and the maximum is differentiated like everything else.

    One bit is another formula, equation (7): q(w) = sign(w) E|w|, the mean over the layer, with
    gradient 1.
    """

    def choices(self, bits: int) -> tuple[QuantSpec, ScaleRule, Gradient]:
        require_bits(bits, 1, 8, "dorefa")
        if bits == 1:
            return odd(1), MeanAbs(per_channel=False, detach=True, floor=FLOOR), Identity()
        return odd(bits), Constant(1 / (2**bits - 1)), Identity()

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        scale = self.scale(x)
        u, codes = self.binary(x, scale) if self.spec.hi == 1 else self.multibit(x)
        return (Term(snap(u, self.spec, self.gradient, codes), scale),)

    def binary(self, w: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        return w / mean, sign(w.detach())

    def multibit(self, w: Tensor) -> tuple[Tensor, Tensor]:
        require_finite(w)  # tanh would hide an infinity
        n, t = self.spec.hi, w.tanh()
        unit = n * (t / (2 * t.abs().amax().clamp_min(FLOOR)) + 0.5)
        return 2 * unit - n, 2 * unit.detach().round() - n


@weight("dorefa")
def dorefa_weight(bits: int) -> Quantizer:
    return DoReFaWeight(bits)


class DoReFaInput(Annealed):
    """q(x) = round(n clip(x, 0, 1)) / n: equation (5) after the clip of section 2.5.

    The clip cuts the gradient off outside [0, 1].
    """

    def choices(self, bits: int) -> tuple[QuantSpec, ScaleRule, Gradient]:
        require_bits(bits, 1, 8, "dorefa")
        n = 2**bits - 1
        return unsigned(bits), Constant(1 / n), Clipped(0.0, float(n))

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        return (Term(snap(x * self.spec.hi, self.spec, self.gradient), self.scale(x)),)


@input("dorefa")
def dorefa_input(bits: int) -> Quantizer:
    return DoReFaInput(bits)
