"""The foreign runtimes, as functions from a model's bytes and its inputs to its first output."""

import importlib
from typing import Any

import numpy as np

ARENA = 2**25  # bytes of TFLite Micro's memory for a batch; its own guess is too small


def imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f'this needs {missing.name}: pip install "lowbit[interop]"', name=missing.name
        ) from None


def tflite_micro(model: bytes, *inputs: np.ndarray) -> np.ndarray:
    """TFLite Micro's reference kernels: form D."""
    runtime = imported("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    for i, x in enumerate(inputs):
        interpreter.set_input(x, i)
    interpreter.invoke()
    return interpreter.get_output(0)


def litert(model: bytes, *inputs: np.ndarray) -> np.ndarray:
    """LiteRT with XNNPACK: form F."""
    litert = imported("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    for place, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(place["index"], x)
    interpreter.invoke()
    place = interpreter.get_output_details()[0]
    return interpreter.get_tensor(place["index"])


def onnxruntime(
    model: bytes, *inputs: np.ndarray, fused: bool = True, saturating: bool = False
) -> np.ndarray:
    """ONNX Runtime on the CPU: form F where it fuses. Unfused it computes between quantize and
    dequantize nodes in floats, which 2-bit weights still need.

    On x86 without VNNI its products with int8 weights saturate pairs of terms at 16 bits, unless
    a session option turns the weights into uint8, for which it lacks one kernel (QGemm of int8).
    `saturating` leaves the option out, for weights of 7 bits, whose pairs fit.
    """
    ort = imported("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if not saturating:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if not fused:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [place.name for place in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]
