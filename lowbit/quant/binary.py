"""Binary quantizers: one forward pass, sign with sign(0) = +1, and the gradients it pretends to."""

import torch
from torch import Tensor, nn

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Clipped, Swish, Triangle
from lowbit.quant.registry import both, input, weight
from lowbit.quant.scale import MeanAbs, Unit
from lowbit.spec import BINARY


@both("ste_sign")
def ste_sign() -> Quantizer:
    """q(x) = sign(x), gradient 1{|x| <= 1}.

    Hubara et al., "Binarized Neural Networks", 2016 [1602.02830], eqs. (1) and (4).
    """
    return Quantizer(BINARY, Unit(), Clipped())


@both("approx_sign")
def approx_sign() -> Quantizer:
    """q(x) = sign(x), gradient (2 - 2|x|) 1{|x| <= 1}.

    Liu et al., "Bi-Real Net", 2018 [1808.00278], section 3.3.
    """
    return Quantizer(BINARY, Unit(), Triangle())


@both("swish_sign")
def swish_sign() -> Quantizer:
    """q(x) = sign(x), gradient that of SignSwish with beta = 5.

    Darabi et al., "BNN+", 2018 [1812.11800].
    """
    return Quantizer(BINARY, Unit(), Swish())


@weight("xnor")
def xnor() -> Quantizer:
    """q(w) = sign(w) a with a = mean |w| of the filter, differentiated wherever w occurs:

        dL/dw_i = a 1{|w_i| <= 1} g_i + sign(w_i) / n * sum_j g_j sign(w_j)

    Rastegari et al., "XNOR-Net", 2016 [1603.05279], section 3.1. The paper prints g_i in place
    of the sum, which is not the derivative of its eq. (6); this is. The map K of input scales is
    left out, as in the paper's own faster variant: batch norm does its work. The paper also
    centres and clips the weights before each step: `latent.centre_and_clip`.
    """
    return Quantizer(BINARY, MeanAbs(), Clipped())


@weight("magnitude_aware_sign")
def magnitude_aware_sign() -> Quantizer:
    """q(w) = sign(w) a with a = mean |w| of the filter held constant, gradient a 1{|w| <= 1}.

    Liu et al., "Bi-Real Net", 2018 [1808.00278], section 3.3.
    """
    return Quantizer(BINARY, MeanAbs(detach=True), Clipped())


class RSign(Quantizer):
    """q(x) = sign(x - a) with one learned a a channel, gradient that of approx_sign.

    Liu et al., "ReActNet", 2020 [2003.03488], eq. (5).
    """

    def __init__(self, channels: int, axis: int = 1) -> None:
        super().__init__(BINARY, Unit(), Triangle())
        self.shift = nn.Parameter(torch.zeros(channels))
        self.axis = axis

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        behind = x.ndim - 1 - self.axis % x.ndim
        return super().encode(x - self.shift.view(-1, *(1,) * behind))


@input("rsign")
def rsign(channels: int, axis: int) -> Quantizer:
    return RSign(channels, axis)
