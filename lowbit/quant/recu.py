"""ReCU, reviving the dead weights: Xu et al., 2021 [2103.12369]."""

import math

import torch
from torch import Tensor, nn

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import QuantileClipped
from lowbit.quant.irnet import standardized
from lowbit.quant.registry import weight
from lowbit.quant.scale import Unit
from lowbit.quant.snap import snap
from lowbit.spec import BINARY


class RectifiedSign(Quantizer):
    """q(w) = sign(clip(v, -Q, Q)) a, with v = sqrt(8) (w - mean w) / std w a filter.

    The clip to a quantile Q of the layer changes no sign: it holds back the outliers, which
    would seldom flip, by letting no gradient through. So it is this quantizer's pretended
    gradient, `QuantileClipped`, which goes on through the standardization. One magnitude a
    filter, a, is learned.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(BINARY, Unit(), QuantileClipped())
        self.magnitude = nn.Parameter(torch.ones(channels))

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        codes = snap(standardized(x) * math.sqrt(8), self.spec, self.gradient)
        return (Term(codes, self.magnitude.view(-1, *(1,) * (x.ndim - 1))),)


@weight("recu")
def recu(channels: int) -> Quantizer:
    return RectifiedSign(channels)
