"""Foreign runtimes as functions from a model and inputs to its output."""

from collections.abc import Callable

import numpy as np
import pytest

ARENA = 2**25  # bytes of TFLite Micro's memory; its own guess is too small


def tflite_micro(model: bytes, *inputs: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    for i, x in enumerate(inputs):
        interpreter.set_input(x, i)
    interpreter.invoke()
    return interpreter.get_output(0)


def litert(model: bytes, *inputs: np.ndarray) -> np.ndarray:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    for place, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(place["index"], x)
    interpreter.invoke()
    (place,) = interpreter.get_output_details()
    return interpreter.get_tensor(place["index"])


@pytest.fixture
def peers() -> dict[str, Callable[..., np.ndarray]]:
    """The runtime that computes each form."""
    return {"D": tflite_micro, "F": litert}
