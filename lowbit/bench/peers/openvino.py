"""OpenVINO: the ONNX file, and the one that ONNX Runtime quantized."""

from collections.abc import Callable
from pathlib import Path

from lowbit.bench.peers.onnx_runtime import as_onnx, quantized
from lowbit.bench.subject import Subject

Built = tuple[Callable[[], object], int]


def floats(subject: Subject) -> Built:
    """In float32: left alone, it takes bfloat16 where the CPU has AMX."""
    return compiled(as_onnx(subject), subject, INFERENCE_PRECISION_HINT="f32")


def int8(subject: Subject) -> Built:
    return compiled(quantized(subject), subject)


def compiled(file: Path, subject: Subject, **precision: str) -> Built:
    import openvino

    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": subject.threads, **precision}
    network = openvino.Core().compile_model(file, "CPU", hints)
    request, x = network.create_infer_request(), subject.images.numpy()
    return lambda: request.infer([x], share_inputs=True)[0], file.stat().st_size
