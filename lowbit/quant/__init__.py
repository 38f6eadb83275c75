"""Quantizers: integer codes and scales forwards, a pretended gradient backwards."""

from lowbit.quant import binary, dorefa, image
from lowbit.quant.base import Quantizer, Term
from lowbit.quant.registry import INPUTS, WEIGHTS, build
from lowbit.quant.snap import NonFiniteInput, snap

__all__ = ["INPUTS", "WEIGHTS", "NonFiniteInput", "Quantizer", "Term", "build", "snap"]
__all__ += ["binary", "dorefa", "image"]
