"""Pooling."""

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.tflite.writer import Writer, rule
from lowbit.ir import Node, ops


@rule(ops.MaxPool, ops.MeanCodes)
def pool(writer: Writer, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.MaxPool | ops.MeanCodes)
    if getattr(op, "dilation", (1, 1)) != (1, 1) or len(op.kernel) != 2:
        raise InterchangeError(f"{node}: TensorFlow Lite pools over two sides, undilated")
    source, padding = writer.padding(node, op.kernel, (1, 1), -128)
    mean = isinstance(op, ops.MeanCodes)
    if mean and source != writer.place(node.inputs[0]):
        raise InterchangeError(f"{node}: an average has no padding but TensorFlow's own")
    options = dict(zip(("strideH", "strideW"), op.stride, strict=True))
    options |= dict(zip(("filterHeight", "filterWidth"), op.kernel, strict=True))
    kind = "AVERAGE_POOL_2D" if mean else "MAX_POOL_2D"
    writer.operator(kind, [source], node, padding=padding, **options)
