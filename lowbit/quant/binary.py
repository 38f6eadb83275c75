"""Binary quantizers: one forward pass, sign with sign(0) = +1, and the gradients it pretends to."""

from lowbit.quant.base import Quantizer
from lowbit.quant.gradient import Clipped
from lowbit.quant.registry import both
from lowbit.quant.scale import Unit
from lowbit.spec import BINARY


@both("ste_sign")
def ste_sign() -> Quantizer:
    """q(x) = sign(x), gradient 1{|x| <= 1}.

    Hubara et al., "Binarized Neural Networks", 2016 [1602.02830], eqs. (1) and (4).
    """
    return Quantizer(BINARY, Unit(), Clipped())
