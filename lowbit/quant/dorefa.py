"""DoReFa-Net's k-bit weights and activations: Zhou et al., 2016 [1606.06160]."""

import torch
from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Clipped, Identity
from lowbit.quant.registry import input, weight
from lowbit.quant.scale import Constant, MeanAbs
from lowbit.quant.snap import snap
from lowbit.spec import BINARY, odd, unsigned


def require_bits(bits: int) -> None:
    if not 1 <= bits <= 8:
        raise ValueError(f"DoReFa has 1 to 8 bits, not {bits}")


class DoReFaWeight(Quantizer):
    r"""q(w) = 2 round(n t) / n - 1 with n = 2^k - 1 and t = tanh(w) / (2 max|tanh w|) + 1/2.

    Over a common denominator that is (2 round(n t) - n) / n: an odd integer times 1 / n, so the
    exported weights need no zero point. Equation (9); the rounding passes gradients unchanged,
    and the maximum is differentiated like everything else.
    """

    def __init__(self, bits: int) -> None:
        require_bits(bits)
        n = 2**bits - 1
        super().__init__(odd(bits), Constant(1 / n), Identity())

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        n, t = self.spec.hi, x.tanh()
        unit = t / (2 * t.abs().amax().clamp_min(torch.finfo(x.dtype).tiny)) + 0.5
        scaled = n * unit
        codes = 2 * scaled.detach().round() - n
        return (Term(snap(2 * scaled - n, self.spec, self.gradient, codes), self.scale(x)),)


class DoReFaBinaryWeight(Quantizer):
    """q(w) = sign(w) E|w|, the mean over the layer, gradient identity: equation (7)."""

    def __init__(self) -> None:
        super().__init__(BINARY, MeanAbs(per_channel=False, detach=True), Identity())

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        scale = self.scale(x)
        safe = scale.clamp_min(torch.finfo(x.dtype).tiny)
        return (Term(snap(x / safe, self.spec, self.gradient), scale),)


@weight("dorefa")
def dorefa_weight(bits: int) -> Quantizer:
    return DoReFaBinaryWeight() if bits == 1 else DoReFaWeight(bits)


class DoReFaInput(Quantizer):
    """q(x) = round(n clip(x, 0, 1)) / n: equation (5) after the clip of section 2.5.

    The clip cuts the gradient off outside [0, 1]. `set_bits` changes k (annealing).
    """

    bits_now: Tensor

    def __init__(self, bits: int) -> None:
        require_bits(bits)
        super().__init__(unsigned(bits), Constant(1 / (2**bits - 1)), Identity())
        self.register_buffer("bits_now", torch.tensor(bits))
        self.set_bits(bits)

    def set_bits(self, bits: int) -> None:
        require_bits(bits)
        self.spec = unsigned(bits)
        self.scale = Constant(1 / self.spec.hi)
        self.gradient = Clipped(0.0, float(self.spec.hi))
        self.bits_now.fill_(bits)

    def restored(self) -> None:
        super().restored()
        self.set_bits(int(self.bits_now))

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        return (Term(snap(x * self.spec.hi, self.spec, self.gradient), self.scale(x)),)


@input("dorefa")
def dorefa_input(bits: int) -> Quantizer:
    return DoReFaInput(bits)
