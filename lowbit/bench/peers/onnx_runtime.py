"""ONNX Runtime: the network as torch exports it, and quantized by its own quantizer."""

from collections.abc import Callable
from pathlib import Path

from lowbit.bench.subject import Subject

Built = tuple[Callable[[], object], int]


def floats(subject: Subject) -> Built:
    return session(as_onnx(subject), subject)


def int8(subject: Subject) -> Built:
    return session(quantized(subject), subject)


def as_onnx(subject: Subject) -> Path:
    import onnxscript as _onnxscript  # noqa: F401  torch's exporter needs it
    import torch

    file = subject.folder / "float.onnx"
    if not file.exists():
        program = torch.onnx.export(
            subject.model,
            (subject.images,),
            input_names=["x"],
            output_names=["y"],
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(file, external_data=False)
    return file


def quantized(subject: Subject) -> Path:
    """Per channel, quantize and dequantize nodes, bytes as activations, as its guide advises."""
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    file, ready = subject.folder / "int8.onnx", subject.folder / "ready.onnx"
    if not file.exists():
        quant_pre_process(as_onnx(subject), ready, skip_symbolic_shape=True)
        q.quantize_static(
            ready,
            file,
            reader(subject),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
        )
    return file


def reader(subject: Subject):
    from onnxruntime.quantization import CalibrationDataReader

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter([{"x": images.numpy()} for images in subject.calibration])

        def get_next(self):
            return next(self.left, None)

    return Batches()


def session(file: Path, subject: Subject) -> Built:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = subject.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # others have their turns
    ran = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    x = {"x": subject.images.numpy()}
    return lambda: ran.run(None, x)[0], file.stat().st_size
