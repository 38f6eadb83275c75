"""Other people's formats: 8-bit graphs as TensorFlow Lite flatbuffers."""

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.tflite import to_tflite

__all__ = ["InterchangeError", "to_tflite"]
