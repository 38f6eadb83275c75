"""Sums of tensors, tables, and softmax."""

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.tflite.writer import Writer, activation, is_wide, rule
from lowbit.ir import Node, ops


@rule(ops.AddD, ops.AddF)
def add(writer: Writer, node: Node) -> None:
    kind = "ADD" if node.op.sign == 1 else "SUB"  # type: ignore[attr-defined]
    operands = [writer.place(name) for name in node.inputs]
    options: dict[str, object] = {"fusedActivationFunction": activation(node)}
    if is_wide(node.op.to):  # type: ignore[attr-defined]
        options["potScaleInt16"] = False
    writer.operator(kind, operands, node, **options)


@rule(ops.Lookup)
def lookup(writer: Writer, node: Node) -> None:
    """table[q + 128, or of channel c 256 more for each before it]: TensorFlow Lite has tables of a
    few functions alone, but rows can be gathered by any index."""
    x, table = node.inputs[0], writer.graph.constant(node.inputs[1])
    shape = (writer.batch, *writer.types[x].shape)
    rows = np.arange(len(table), dtype=np.int64) * table.shape[1] - node.op.start  # type: ignore[attr-defined]
    wide, index = (
        writer.model.tensor(f"{node.output} {n}", shape, "int32") for n in ("wide", "at")
    )
    writer.model.operator("CAST", [writer.place(x)], [wide])
    writer.model.operator("ADD", [wide, writer.indices(f"{node.output} rows", rows)], [index])
    worth = writer.worth[node.output]
    flat = table.reshape(-1)
    values = writer.model.tensor(f"{node.output} table", flat.shape, flat.dtype, flat, *worth)
    writer.operator("GATHER", [values, index], node, axis=0)


@rule(ops.SoftmaxD, ops.SoftmaxF)
def softmax(writer: Writer, node: Node) -> None:
    if writer.codes(node.inputs[0], node).scale != node.op.scale:  # type: ignore[attr-defined]
        raise InterchangeError(f"{node}: its codes have another scale than it takes")
    writer.operator("SOFTMAX", [writer.place(node.inputs[0])], node, beta=1.0)
