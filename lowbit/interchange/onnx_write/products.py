"""Products, between quantize and dequantize nodes."""

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import TensorProto, geometry
from lowbit.interchange.onnx_write.writer import Writer
from lowbit.ir import Node, ops
from lowbit.spec import Parameters, QuantSpec

WEIGHTS = ((2, TensorProto.INT2, 25), (4, TensorProto.INT4, 21), (8, TensorProto.INT8, 13))


def pair(writer: Writer, node: Node, result: Node) -> None:
    a, b = node.inputs
    order = writer.order[a]
    if isinstance(node.op, ops.MatMul):
        order = tuple(range(len(order)))
    kind = "MatMul" if isinstance(node.op, ops.MatMul) else "Mul"
    operands = [writer.arranged(name, order) for name in (a, b)]
    made = writer.emit(kind, operands, f"{node.output}.float")
    writer.finish(result, writer.clamped(result, made), order)


def product(writer: Writer, node: Node, result: Node) -> None:
    graph, (x, w) = writer.graph, node.inputs
    worth, weight = writer.codes(x), graph.constant(w).astype(np.int64)
    scales = np.broadcast_to(graph.constant(result.inputs[2]), len(weight)).astype(np.float32)
    sums = weight.reshape(len(weight), -1).sum(1)
    bias = graph.constant(result.inputs[1]).astype(np.int64) + worth.zero_point * sums
    if abs(bias).max() >= 2**31:
        raise InterchangeError(f"{node}: its bias does not fit int32")
    options: dict[str, object] = {}
    if isinstance(node.op, ops.Conv):
        source, order = writer.image(x)
        weight = np.moveaxis(weight, -1, 1)
        kind, options = "Conv", windowed(node, worth, weight.shape[2:])
    elif len(writer.types[x].shape) == 1:
        kind, source, order, options = "Gemm", x, (0,), {"transB": 1}
    else:  # rows of a matrix are pixels under a kernel of one, which takes a bias
        source, order = writer.image(x)
        sides = len(order) - 1
        weight = weight.reshape(*weight.shape, *[1] * sides)
        kind, options = "Conv", geometry((1,) * sides, ((0, 0),) * sides, (1,) * sides)
    wide = writer.constant(f"{node.output}.bias.q", bias.astype(np.int32))
    factors = (np.float32(worth.scale) * scales).astype(np.float32)
    operands = [
        source,
        stored_weight(writer, node, weight, scales),
        writer.emit(
            "DequantizeLinear",
            [wide, writer.constant(f"{wide}.scale", factors)],
            f"{node.output}.bias",
            axis=0,
        ),
    ]
    made = writer.emit(kind, operands, f"{node.output}.float", **options)
    writer.finish(result, writer.clamped(result, made), order)


def stored_weight(writer: Writer, node: Node, weight: np.ndarray, scales: np.ndarray) -> str:
    """Codes in the fewest bits that hold them, dequantized a channel each."""
    largest = QuantSpec(int(weight.min()), int(weight.max()))
    _, kind, opset = next(w for w in WEIGHTS if largest.magnitude < 2 ** (w[0] - 1))
    writer.opset = max(writer.opset, opset)
    name = f"{node.output}.weight"
    codes = writer.constant(f"{name}.q", weight, kind)
    factors = writer.constant(f"{name}.scale", scales)
    zeros = writer.constant(f"{name}.zero", np.zeros(len(scales), np.int64), kind)
    return writer.emit("DequantizeLinear", [codes, factors, zeros], name, axis=0)


def windowed(node: Node, worth: Parameters, kernel) -> dict[str, object]:
    op = node.op
    assert isinstance(op, ops.Conv)
    if any(map(any, op.padding)) and op.pad_value != worth.zero_point:
        raise InterchangeError(f"{node}: padding is the zero point, {worth.zero_point}")
    return {**geometry(op.stride, op.padding, kernel), "dilations": op.dilation, "group": op.groups}
