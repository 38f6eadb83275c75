"""Sums of tensors, and tables."""

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import TensorProto
from lowbit.interchange.onnx_write.writer import Writer, rule
from lowbit.ir import Node, ops


@rule(ops.AddF)
def add(writer: Writer, node: Node) -> None:
    order = writer.order[node.inputs[0]]
    kind = "Add" if node.op.sign == 1 else "Sub"  # type: ignore[attr-defined]
    operands = [writer.arranged(name, order) for name in node.inputs]
    made = writer.emit(kind, operands, f"{node.output}.float")
    writer.finish(node, writer.clamped(node, made), order)


@rule(ops.Lookup)
def lookup(writer: Writer, node: Node) -> None:
    """table[q - start], gathered."""
    x, table = node.inputs[0], writer.graph.constant(node.inputs[1])
    if len(table) > 1 or f"{x}.q" not in {o for n in writer.nodes for o in n.output}:
        raise InterchangeError(f"{node}: only one table for all channels is written")
    wide = writer.emit("Cast", [f"{x}.q"], f"{node.output}.wide", to=TensorProto.INT32)
    start = writer.constant(f"{node.output}.start", np.array(node.op.start, np.int32))  # type: ignore[attr-defined]
    index = writer.emit("Sub", [wide, start], f"{node.output}.at")
    values = writer.constant(f"{node.output}.table", table[0].astype(np.int8))
    writer.emit("Gather", [values, index], f"{node.output}.q", axis=0)
    writer.order[node.output] = writer.order[x]
    writer.dequantize(node.output, f"{node.output}.q")
