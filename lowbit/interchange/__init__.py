"""Other people's formats. Each needs packages of the extra `interop`, imported when it is used."""

import importlib

from lowbit.interchange.errors import InterchangeError

HOMES = {
    "to_tflite": "tflite",
    "to_onnx": "onnx_write",
    "from_onnx": "onnx_read",
    "float_module": "onnx_floats",
    "to_qonnx": "qonnx",
}

__all__ = ["InterchangeError", *HOMES]


def __getattr__(name: str):
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
