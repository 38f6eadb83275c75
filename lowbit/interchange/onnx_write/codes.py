"""From sums, floats and codes to codes, and back to floats."""

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_write.products import pair, product
from lowbit.interchange.onnx_write.writer import SUMS, Writer, rule
from lowbit.interchange.parameters import recodes_input
from lowbit.ir import Node, ops
from lowbit.spec import Parameters


@rule(ops.RequantizeF)
def requantize(writer: Writer, node: Node) -> None:
    source = writer.made.get(node.inputs[0])
    if recodes_input(node, writer.graph):
        name = node.inputs[0]
        writer.order[node.output] = writer.order[name]
        writer.finish(node, name, writer.order[name])
    elif source is None or not isinstance(source.op, SUMS):
        same = node.op.input_scale == node.op.to.scale  # type: ignore[attr-defined]
        if not same or node.inputs[0] not in writer.worth:
            raise InterchangeError(f"{node}: it requantizes no product")
        writer.finish(node, node.inputs[0], writer.order[node.inputs[0]])
    elif isinstance(source.op, ops.MulCodes | ops.MatMul):
        pair(writer, source, node)
    else:
        product(writer, source, node)


@rule(ops.QuantizeF)
def quantize(writer: Writer, node: Node) -> None:
    """rint(x (1 / scale)), where QuantizeLinear with a scale would divide."""
    x, op = node.inputs[0], node.op
    factor = np.float32(1) / np.float32(op.to.scale)  # type: ignore[attr-defined]
    factors = writer.constant(f"{node.output}.factor", np.array(factor, np.float32))
    scaled = writer.emit("Mul", [x, factors], f"{node.output}.scaled")
    unit = Parameters(1.0, op.to.zero_point)  # type: ignore[attr-defined]
    writer.quantize(scaled, f"{node.output}.q", unit)
    writer.order[node.output] = writer.order[x]
    writer.emit(
        "DequantizeLinear",
        [f"{node.output}.q", *writer.parameters(f"{node.output}.real", writer.codes(node.output))],
        node.output,
    )


@rule(ops.Mul)
def dequantize(writer: Writer, node: Node) -> None:
    """Mul(Sub(q, zero point), scale)."""
    inner = writer.made.get(node.inputs[0])
    if inner is None or not isinstance(inner.op, ops.Sub) or not writer.dequantizes(inner):
        raise InterchangeError(f"{node}: float arithmetic is not written")
    scale = writer.graph.constants.get(node.inputs[1])
    worth = writer.codes(inner.inputs[0])
    if scale is None or scale.value is None or scale.value.size != 1:
        raise InterchangeError(f"{node}: float arithmetic is not written")
    if np.float32(scale.value.item()) != np.float32(worth.scale):
        raise InterchangeError(f"{node}: float arithmetic is not written")
    writer.order[node.output] = writer.order[inner.inputs[0]]
    writer.emit("Identity", [inner.inputs[0]], node.output)
