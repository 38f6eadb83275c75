"""Quantization-aware training for 8 bits."""

from lowbit.qat.model import QuantizedTraining

__all__ = ["QuantizedTraining"]
