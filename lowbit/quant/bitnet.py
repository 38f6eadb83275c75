"""BitNet b1.58's ternary weights and 8-bit tokens: Ma et al., 2024 [2402.17764]."""

from lowbit.quant.base import Quantizer
from lowbit.quant.gradient import Identity
from lowbit.quant.registry import input, require_bits, weight
from lowbit.quant.rescaled import Rescaled
from lowbit.quant.scale import MaxAbs, MeanAbs
from lowbit.spec import TERNARY, signed


@weight("absmean")
def absmean() -> Quantizer:
    """q(w) = a clip(round(w / a), -1, 1) with a = mean |w| of the layer, at least 1e-5; gradient
    1: eqs. (1) to (3). Ties round to even, so w = a / 2 is 0."""
    return Rescaled(TERNARY, MeanAbs(per_channel=False, detach=True, floor=1e-5), Identity())


class AbsMax(Rescaled):
    """q(x) = clip(round(x / s), -2^(k-1), 2^(k-1) - 1) s with s = max |x| / (2^(k-1) - 1) a
    token, gradient 1.

    The scale depends on the data, so that no threshold can be stored for it: exported, a layer
    behind it multiplies integers and scales them by a float that is found as it runs.
    """

    def __init__(self, bits: int, axis: int = -1) -> None:
        require_bits(bits, 2, 8, "absmax")
        spec = signed(bits)
        super().__init__(spec, MaxAbs(spec.hi, axis), Identity())


@input("absmax")
def absmax(bits: int, axis: int) -> Quantizer:
    return AbsMax(bits, axis)
