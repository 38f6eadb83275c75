"""Quantizers: integer codes and scales forwards, a pretended gradient backwards."""

from lowbit.quant import (
    binary,
    binary_connect,
    bitnet,
    dorefa,
    image,
    irnet,
    lsq,
    pact,
    recu,
    ternary,
)
from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import set_progress
from lowbit.quant.registry import INPUTS, WEIGHTS, build
from lowbit.quant.snap import NonFiniteInput, snap

__all__ = ["INPUTS", "WEIGHTS", "NonFiniteInput", "Quantizer", "Term", "build"]
__all__ += ["set_progress", "snap"]
__all__ += ["binary", "binary_connect", "bitnet", "dorefa", "image"]
__all__ += ["irnet", "lsq", "pact", "recu", "ternary"]
