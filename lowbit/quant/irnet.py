"""IR-Net: Qin et al., "Forward and Backward Information Retention", 2020 [1909.10788]."""

from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import ErrorDecay
from lowbit.quant.registry import input, weight
from lowbit.quant.scale import FLOOR, MeanAbs, PowerOfTwo, Unit, channel_axes
from lowbit.spec import BINARY


class LibraSign(Quantizer):
    """q(w) = sign(v) 2^s with v = (w - mean w) / std w a filter and s = round(log2 mean |v|).

    Balanced signs carry the most information; s is held constant: eqs. (5) to (7). The gradient
    passes through the standardization.
    """

    def __init__(self) -> None:
        super().__init__(BINARY, PowerOfTwo(MeanAbs()), ErrorDecay())

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        return super().encode(standardized(x))


def standardized(w: Tensor) -> Tensor:
    """Each filter with mean 0 and (unbiased) standard deviation 1; a constant filter is 0."""
    axes = channel_axes(w)
    centred = w - w.mean(axes, keepdim=True)
    degrees = max(w[0].numel() - 1, 1)
    variance = centred.square().sum(axes, keepdim=True) / degrees
    return centred / variance.clamp_min(FLOOR).sqrt()


@weight("irnet")
def irnet_weight() -> Quantizer:
    return LibraSign()


@input("irnet")
def irnet_input() -> Quantizer:
    """q(x) = sign(x) with the error decay estimator's gradient."""
    return Quantizer(BINARY, Unit(), ErrorDecay())
