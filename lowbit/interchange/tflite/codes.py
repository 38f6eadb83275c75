"""From sums, floats and codes to codes, and back to floats."""

from dataclasses import replace

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.parameters import recodes_input
from lowbit.interchange.tflite.products import product
from lowbit.interchange.tflite.writer import SUMS, Writer, activation, rule
from lowbit.ir import Node, ops


@rule(ops.RequantizeWide)
def requantize_wide(writer: Writer, node: Node) -> None:
    """Two products of bytes as the one of 16-bit codes that they stand for."""
    upper = writer.made[node.inputs[0]]
    (x,) = writer.made[upper.inputs[0]].inputs
    product(writer, replace(upper, inputs=(x, upper.inputs[1])), node)


@rule(ops.RequantizeD, ops.RequantizeF)
def requantize(writer: Writer, node: Node) -> None:
    source = writer.made.get(node.inputs[0])
    if (
        recodes_input(node, writer.graph)
        and writer.worth[node.inputs[0]] == writer.worth[node.output]
    ):
        writer.index[node.output] = writer.place(node.inputs[0])
    elif source is None or not isinstance(source.op, SUMS):
        if isinstance(node.op, ops.RequantizeF) and node.op.input_scale != node.op.to.scale:
            raise InterchangeError(f"{node}: XNNPACK has other arithmetic from codes to codes")
        writer.operator("QUANTIZE", [writer.place(node.inputs[0])], node)
    elif isinstance(source.op, ops.MulCodes):
        operands = [writer.place(name) for name in source.inputs]
        writer.operator("MUL", operands, node, fusedActivationFunction=activation(node))
    else:
        product(writer, source, node)


@rule(ops.QuantizeD, ops.QuantizeF)
def quantize(writer: Writer, node: Node) -> None:
    writer.operator("QUANTIZE", [writer.place(node.inputs[0])], node)


@rule(ops.Mul)
def dequantize(writer: Writer, node: Node) -> None:
    """Mul(Sub(q, zero point), scale)."""
    inner = writer.made.get(node.inputs[0])
    factor = writer.graph.constants.get(node.inputs[1])
    if inner is None or not isinstance(inner.op, ops.Sub) or factor is None:
        raise InterchangeError(f"{node}: float arithmetic is not written")
    worth = writer.codes(inner.inputs[0], node)
    scale = writer.graph.constant(node.inputs[1])
    if scale.size != 1 or scale.item() != worth.scale:
        raise InterchangeError(f"{node}: float arithmetic is not written")
    writer.operator("DEQUANTIZE", [writer.place(inner.inputs[0])], node)
