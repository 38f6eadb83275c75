"""8-bit networks from trained float models: calibrate, quantize, inspect."""

from lowbit.int8.errors import CalibrationError
from lowbit.int8.quantize import ptq

__all__ = ["CalibrationError", "ptq"]
