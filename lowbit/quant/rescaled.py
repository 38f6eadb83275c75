"""Quantizers that snap x / s and multiply by s again."""

from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.snap import snap


class Rescaled(Quantizer):
    """value = snap(x / s) s. Where the rule detaches s, `gradient` is that of the value itself:
    the s it is multiplied by on the way back cancels the s that x was divided by.

    A subclass gives `codes` where they are not the nearest to x / s.
    """

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        scale = self.scale(x)
        u = x if scale is None else x / scale
        return (Term(snap(u, self.spec, self.gradient, self.codes(x)), scale),)

    def codes(self, x: Tensor) -> Tensor | None:
        return None
