"""Other people's runtimes, a row each: a subject in, a function of no arguments out.

A package that is missing raises ImportError, and the race says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lowbit.bench.peers import litert, onnx_runtime, openvino, torchs
from lowbit.bench.subject import Subject


@dataclass(frozen=True, slots=True)
class Peer:
    """`build` gives the function to time, whose value is the output, and the file's bytes, or 0."""

    name: str
    dtype: str
    package: str
    build: Callable[[Subject], tuple[Callable[[], object], int]]


PEERS = (
    Peer("torch eager", "float32", "torch", torchs.eager),
    Peer("torch compiled", "float32", "torch", torchs.compiled),
    Peer("torch int8", "int8", "torchao", torchs.int8),
    Peer("onnxruntime", "float32", "onnxruntime", onnx_runtime.floats),
    Peer("onnxruntime int8", "int8", "onnxruntime", onnx_runtime.int8),
    Peer("openvino", "float32", "openvino", openvino.floats),
    Peer("openvino int8", "int8", "openvino", openvino.int8),
    Peer("litert int8", "int8", "ai-edge-litert", litert.int8),
)
