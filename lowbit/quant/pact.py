"""PACT, parameterized clipping of activations: Choi et al., 2018 [1805.06085]."""

import torch
from torch import Tensor, nn

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Identity
from lowbit.quant.registry import input, require_bits
from lowbit.quant.scale import FLOOR, Unit
from lowbit.quant.snap import require_finite, snap
from lowbit.spec import unsigned


class PACT(Quantizer):
    """q(x) = round(y n / a) a / n with y = clip(x, 0, a), a learned and n = 2^k - 1.

        dq/dx = 1{0 <= x < a},    dq/da = 1{x >= a}

    Eqs. (1) to (3). The paper's y = (|x| - |x - a| + a) / 2 has half of these gradients at
    x = 0 and x = a, and 0 is where most of its inputs are; so the clip is written as a choice.
    Section 3 adds an L2 penalty on a: weight decay of the parameter `bound`.
    """

    def __init__(self, bits: int, bound: float = 10.0) -> None:
        require_bits(bits, 1, 8, "pact")
        super().__init__(unsigned(bits), Unit(), Identity())
        self.bound = nn.Parameter(torch.tensor(bound))

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        require_finite(x)  # the clip would hide an infinity
        bound = self.bound.clamp_min(FLOOR)
        clipped = clip(x, bound)
        scale = (bound / self.spec.hi).detach()
        return (Term(snap(clipped / scale, self.spec, self.gradient), scale),)


def clip(x: Tensor, bound: Tensor) -> Tensor:
    if torch.compiler.is_exporting():  # the same values by an operation whose order is plain
        return x.clamp_min(0).minimum(bound)
    return torch.where(x >= bound, bound, x.clamp_min(0))


@input("pact")
def pact(bits: int) -> Quantizer:
    return PACT(bits)
