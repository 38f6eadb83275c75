"""Other people's kernels for a case: each a function to time, or None where it cannot be had.

Inputs and outputs are bytes in the order of memory that each library likes best, so that nothing
but the product and its requantization is timed.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from bench_cases import Case, graph, sized, worth

from lowbit.kernels import cpu

Contestant = Callable[[], object] | None
AMX = "amx-int8"  # as LLVM calls it


def torch_float(case: Case) -> Contestant:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    x_shape, w_shape = sized(case)
    if case.rows:
        x, w = torch.randn(x_shape), torch.randn(w_shape)
        run = torch.nn.functional.linear
        return torch.inference_mode()(lambda: run(x, w))
    x = torch.randn(1, *x_shape[::-1])
    w = torch.randn(w_shape).permute(0, 3, 1, 2).contiguous()
    conv = torch.nn.functional.conv2d
    return torch.inference_mode()(
        lambda: conv(x, w, None, case.stride, case.k // 2, groups=case.groups)
    )


def torch_int8(case: Case) -> Contestant:
    """The quantized operators of the engine that torch prefers on x86."""
    try:
        import torch
    except ImportError:
        return None
    if "x86" not in torch.backends.quantized.supported_engines:
        return None
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "x86"
    x_shape, w_shape = sized(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = torch.randn(x_shape if case.rows else (1, *x_shape[::-1]))
        w = torch.randn(w_shape) if case.rows else torch.randn(w_shape).permute(0, 3, 1, 2)
        x = x if case.rows else x.contiguous(memory_format=torch.channels_last)
        qx = torch.quantize_per_tensor(x, 0.05, 64, torch.quint8)
        qw = torch.quantize_per_tensor(w.contiguous(), 0.05, 0, torch.qint8)
    known = torch.ops.quantized
    if case.rows:
        packed = known.linear_prepack(qw, None)
        return lambda: known.linear(qx, packed, 0.5, 64)
    places = ([case.stride] * 2, [case.k // 2] * 2, [1, 1], case.groups)
    packed = known.conv2d_prepack(qw, None, *places)
    return lambda: known.conv2d(qx, packed, 0.5, 64)


def onnxruntime_int8(case: Case) -> Contestant:
    """QLinearConv or QLinearMatMul, uint8 by int8."""
    try:
        import onnxruntime
        from onnx import TensorProto as T
        from onnx import helper, numpy_helper
    except ImportError:
        return None
    x_shape, w_shape = sized(case)
    rng = np.random.default_rng(0)
    w = rng.integers(-127, 128, w_shape).astype(np.int8)
    w = w.T.copy() if case.rows else w.transpose(0, 3, 1, 2).copy()
    shape = x_shape if case.rows else (1, *x_shape[::-1])
    scale = {name: np.float32(0.01) for name in ("xs", "ws", "ys")}
    zero = {"xz": np.uint8(0), "wz": np.int8(0), "yz": np.uint8(128)}
    values = {"w": w, **scale, **zero}
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in values.items()]
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    if case.rows:
        node = helper.make_node("QLinearMatMul", inputs, ["y"])
    else:
        pad = [case.k // 2] * 4
        strides = [case.stride] * 2
        node = helper.make_node(
            "QLinearConv", inputs, ["y"], pads=pad, strides=strides, group=case.groups
        )
    ends = [[helper.make_tensor_value_info(n, T.UINT8, s)] for n, s in (("x", shape), ("y", None))]
    model = helper.make_model(
        helper.make_graph([node], "one", *ends, held),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = rng.integers(0, 256, shape).astype(np.uint8)
    return lambda: session.run(None, {"x": x})


def openvino_int8(case: Case) -> Contestant:
    """A product of dequantized bytes between quantizations: OpenVINO makes one int8 node of it."""
    try:
        import openvino
        import openvino.opset13 as op
    except ImportError:
        return None
    x_shape, w_shape = sized(case)
    w = np.random.default_rng(0).integers(-127, 128, w_shape).astype(np.int8)
    shape = x_shape if case.rows else (1, *x_shape)
    x = op.parameter(shape, np.uint8)
    value = op.multiply(op.convert(x, "f32"), np.float32(0.01))
    if case.rows:
        y = op.matmul(value, scaled(op, w), False, True)
    else:
        y = convolution(op, case, value, w)
    y = op.fake_quantize(y, *(np.float32(v) for v in (-20, 20, 0, 255)), 256)
    y = op.convert(y, "u8")
    y = y if case.rows else op.transpose(y, np.array([0, 2, 3, 1]))
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Model([op.result(y)], [x])
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.full(shape, 7, np.uint8)))
    return request.infer


def scaled(op, w: np.ndarray):
    ones = (w.shape[0],) + (1,) * (w.ndim - 1)
    return op.multiply(op.convert(op.constant(w), "f32"), np.full(ones, 0.01, np.float32))


def convolution(op, case: Case, value, w: np.ndarray):
    """Channels come last in memory on either side."""
    value = op.transpose(value, np.array([0, 3, 1, 2]))
    w = np.ascontiguousarray(w.transpose(0, 3, 1, 2))
    places = ([case.stride] * 2, [case.k // 2] * 2, [case.k // 2] * 2, [1, 1])
    if case.groups == 1:
        return op.convolution(value, scaled(op, w), *places)
    w = w.reshape(case.groups, -1, *w.shape[1:])
    return op.group_convolution(value, scaled(op, w), *places)


def amx_is_off() -> bool:
    """As NUMBA_CPU_FEATURES tells us, and ONEDNN_MAX_CPU_ISA others. Nothing tells LiteRT."""
    host = cpu.features_of((*cpu.target()[:2], cpu.host_features()))
    return AMX in host and AMX not in cpu.features()


def litert_int8(case: Case) -> Contestant:
    """Our own graph of bytes as a flatbuffer; its XNNPACK computes form F too."""
    if amx_is_off():
        return None
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    from lowbit.interchange import InterchangeError, to_tflite

    try:
        bytes_ = replace(case, dtype="w8a8")
        content = to_tflite(worth(graph(bytes_, np.random.default_rng(0))))
    except InterchangeError:
        return None
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter.invoke


PEERS = {
    "torch-fp32": torch_float,
    "torch-int8": torch_int8,
    "onnxruntime-int8": onnxruntime_int8,
    "openvino-int8": openvino_int8,
    "litert-int8": litert_int8,
}
