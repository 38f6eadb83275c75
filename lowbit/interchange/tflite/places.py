"""What moves values."""

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.tflite.writer import Writer, rule
from lowbit.ir import Node, ops


@rule(ops.Reshape)
def reshape(writer: Writer, node: Node) -> None:
    shape = writer.indices(f"{node.output} shape", (writer.batch, *writer.types[node.output].shape))
    writer.operator("RESHAPE", [writer.place(node.inputs[0]), shape], node)


@rule(ops.Transpose)
def transpose(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Transpose)
    order = writer.indices(f"{node.output} order", (0, *(a + 1 for a in node.op.permutation)))
    writer.operator("TRANSPOSE", [writer.place(node.inputs[0]), order], node)


@rule(ops.Concat)
def concat(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Concat)
    if len({writer.codes(name, node) for name in node.inputs}) > 1:
        raise InterchangeError(f"{node}: operands side by side share scale and zero point")
    operands = [writer.place(name) for name in node.inputs]
    writer.operator("CONCATENATION", operands, node, axis=node.op.axis + 1)


@rule(ops.Pad)
def pad(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Pad)
    worth = writer.codes(node.inputs[0], node)
    amounts = writer.indices(f"{node.output} pads", [(0, 0), *node.op.padding, (0, 0)])
    value = writer.number(f"{node.output} fill", node.op.value, node.inputs[0], worth)
    writer.operator("PADV2", [writer.place(node.inputs[0]), amounts, value], node)


@rule(ops.Slice)
def cut(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Slice)
    shape = writer.types[node.inputs[0]].shape
    begin, end, step = [0] * (len(shape) + 1), [writer.batch, *shape], [1] * (len(shape) + 1)
    axis = node.op.axis + 1
    begin[axis], end[axis], step[axis] = node.op.start, node.op.stop, node.op.step
    sliced(writer, writer.place(node.inputs[0]), begin, end, step, node)


def sliced(writer: Writer, source: int, begin, end, step, node: Node) -> None:
    limits = [
        writer.indices(f"{node.output} {what}", values)
        for what, values in (("begin", begin), ("end", end), ("step", step))
    ]
    masks = dict.fromkeys(
        ("beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"), 0
    )
    writer.operator("STRIDED_SLICE", [source, *limits], node, **masks)


@rule(ops.ResizeNearest)
def resize(writer: Writer, node: Node) -> None:
    """Whole multiples alone: elsewhere TensorFlow Lite's float ratio may pick another pixel."""
    assert isinstance(node.op, ops.ResizeNearest)
    sides = writer.types[node.inputs[0]].shape[:-1]
    if len(sides) != 2 or any(n % s for n, s in zip(node.op.sides, sides, strict=True)):
        raise InterchangeError(f"{node}: TensorFlow Lite resizes two sides, by whole numbers")
    size = writer.indices(f"{node.output} size", node.op.sides)
    options = {"alignCorners": False, "halfPixelCenters": False}
    writer.operator(
        "RESIZE_NEAREST_NEIGHBOR", [writer.place(node.inputs[0]), size], node, **options
    )
