"""What moves values."""

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import Order
from lowbit.interchange.onnx_write.writer import Writer, rule
from lowbit.ir import Node, ops


@rule(ops.Reshape)
def reshape(writer: Writer, node: Node) -> None:
    shape = np.array([-1, *writer.types[node.output].shape], np.int64)
    sides = writer.constant(f"{node.output}.shape", shape)
    moved = writer.emit("Reshape", [writer.natural(node.inputs[0]), sides], f"{node.output}.float")
    placed(writer, node, moved, tuple(range(len(shape) - 1)))


def placed(writer: Writer, node: Node, made: str, order: Order) -> None:
    """A moved tensor of codes or floats."""
    if node.output in writer.worth:
        writer.finish(node, made, order)
    else:
        writer.emit("Identity", [made], node.output)
        writer.order[node.output] = order


@rule(ops.Pad)
def pad(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Pad)
    x, (scale, zero) = node.inputs[0], writer.codes(node.inputs[0])
    order, amounts = writer.order[x], np.zeros((2, len(writer.order[x]) + 1), np.int64)
    for axis, ends in enumerate(node.op.padding):
        amounts[:, order[axis] + 1] = ends
    number = np.array((node.op.value - zero) * np.float32(scale), np.float32)
    operands = [
        writer.constant(f"{node.output}.{role}", value)
        for role, value in (("pads", amounts.reshape(-1)), ("number", number))
    ]
    placed(writer, node, writer.emit("Pad", [x, *operands], f"{node.output}.float"), order)


@rule(ops.Slice)
def cut(writer: Writer, node: Node) -> None:
    op, x = node.op, node.inputs[0]
    assert isinstance(op, ops.Slice)
    order = writer.order[x]
    limits = {"start": op.start, "stop": op.stop, "axis": order[op.axis] + 1, "step": op.step}
    operands = [
        writer.constant(f"{node.output}.{role}", np.array([value], np.int64))
        for role, value in limits.items()
    ]
    placed(writer, node, writer.emit("Slice", [x, *operands], f"{node.output}.float"), order)


@rule(ops.ResizeNearest)
def resize(writer: Writer, node: Node) -> None:
    """By whole numbers: elsewhere a float ratio may pick another pixel."""
    assert isinstance(node.op, ops.ResizeNearest)
    (x,), had = node.inputs, writer.types[node.inputs[0]].shape[:-1]
    if any(n % s for n, s in zip(node.op.sides, had, strict=True)):
        raise InterchangeError(f"{node}: sides are resized by whole numbers")
    source, order = writer.image(x)
    factors = [1, 1, *(n // s for n, s in zip(node.op.sides, had, strict=True))]
    scales = writer.constant(f"{node.output}.factors", np.array(factors, np.float32))
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    made = writer.emit("Resize", [source, "", scales], f"{node.output}.float", **options)
    placed(writer, node, made, order)


@rule(ops.Transpose)
def transpose(writer: Writer, node: Node) -> None:
    """Nothing but a change of names."""
    assert isinstance(node.op, ops.Transpose)
    order = writer.order[node.inputs[0]]
    writer.order[node.output] = tuple(order[axis] for axis in node.op.permutation)
    writer.emit("Identity", [node.inputs[0]], node.output)


@rule(ops.Concat)
def concat(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Concat)
    order = writer.order[node.inputs[0]]
    operands = [writer.arranged(name, order) for name in node.inputs]
    made = writer.emit("Concat", operands, f"{node.output}.float", axis=order[node.op.axis] + 1)
    placed(writer, node, made, order)
