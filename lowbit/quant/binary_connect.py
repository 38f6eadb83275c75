"""BinaryConnect: Courbariaux et al., 2015 [1511.00363]."""

import torch
from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Identity
from lowbit.quant.registry import weight
from lowbit.quant.scale import Constant, Unit
from lowbit.quant.snap import snap
from lowbit.spec import BINARY


@weight("binary_connect")
def binary_connect() -> Quantizer:
    """q(w) = sign(w), gradient 1 everywhere: eq. (1) and section 2.3, with H = 1.

    Section 2.4 clips the weights to [-H, H] after each step:
    `lowbit.optim.clip_latent_weights`.
    """
    return Quantizer(BINARY, Unit(), Identity())


class StochasticSign(Quantizer):
    """q(w) = +H with probability clip((w / H + 1) / 2, 0, 1), else -H; gradient 1: eq. (2).

    The paper evaluates with the real weights (section 2.6, method 2), which are no codes and
    have no integer form. So evaluation takes sign(w) H (method 1), unless `real_evaluation`
    asks for the paper's. Draws come from `generator`, or from torch's default one.
    """

    def __init__(
        self,
        height: float = 1.0,
        real_evaluation: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(BINARY, Unit() if height == 1 else Constant(height), Identity())
        self.height = height
        self.real_evaluation = real_evaluation
        self.generator = generator

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        u = x / self.height
        if not self.training:
            return (Term(x, None) if self.real_evaluation else self.term(u, None, x),)
        chance = ((u.detach() + 1) / 2).clamp_(0, 1)
        draw = torch.empty_like(chance).uniform_(generator=self.generator)
        return (self.term(u, torch.where(draw < chance, 1.0, -1.0).to(x.dtype), x),)

    def term(self, u: Tensor, codes: Tensor | None, x: Tensor) -> Term:
        return Term(snap(u, self.spec, self.gradient, codes), self.scale(x))


@weight("binary_connect_stochastic")
def binary_connect_stochastic() -> Quantizer:
    return StochasticSign()
