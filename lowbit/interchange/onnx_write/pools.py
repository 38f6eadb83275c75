"""Pooling."""

from lowbit.interchange.onnx_sheet import geometry
from lowbit.interchange.onnx_write.writer import Writer, rule
from lowbit.ir import Node, ops


@rule(ops.MaxPool, ops.MeanCodes)
def pool(writer: Writer, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.MaxPool | ops.MeanCodes)
    source, order = writer.image(node.inputs[0])
    options = geometry(op.stride, op.padding, op.kernel)
    if isinstance(op, ops.MaxPool):
        options["dilations"] = op.dilation
    kind = "MaxPool" if isinstance(op, ops.MaxPool) else "AveragePool"
    writer.finish(node, writer.emit(kind, [source], f"{node.output}.float", **options), order)
