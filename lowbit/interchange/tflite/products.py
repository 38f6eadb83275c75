"""Products with their requantization: one operator of TensorFlow Lite's."""

from dataclasses import replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.tflite.places import sliced
from lowbit.interchange.tflite.writer import VALID, Writer, activation
from lowbit.ir import Node, ops


def product(writer: Writer, node: Node, result: Node) -> None:
    """A convolution or linear layer and the requantization of its sums."""
    graph, (x, w) = writer.graph, node.inputs
    worth, weight = writer.codes(x, node), graph.constant(w)
    scales = np.broadcast_to(graph.constant(result.inputs[-1]), len(weight))
    sums = weight.reshape(len(weight), -1).sum(1, dtype=np.int64)
    bias = graph.constant(result.inputs[-2]).astype(np.int64) + worth.zero_point * sums
    wide = isinstance(result.op, ops.RequantizeWide)
    bias_scales = worth.scale * scales.astype(np.float64)
    offsets = writer.model.tensor(
        f"{node.output} bias", bias.shape, "int64" if wide else "int32", bias, bias_scales
    )
    spread = writer.made.get(x)
    if spread and isinstance(spread.op, ops.Spread):
        transposed(writer, replace(node, inputs=(spread.inputs[0], w)), spread.op, result, offsets)
        return
    options: dict[str, object] = {"fusedActivationFunction": activation(result)}
    kind, source = "FULLY_CONNECTED", None
    if isinstance(node.op, ops.Conv):
        kind, source, weight = windowed(writer, node, weight, options)
    values = writer.model.tensor(w, weight.shape, "int8", weight, scales)
    inputs = (writer.place(x) if source is None else source, values, offsets)
    writer.operator(kind, inputs, result, **options)


def transposed(writer: Writer, node: Node, spread: ops.Spread, result: Node, offsets: int) -> None:
    """A convolution over spread codes is a transposed one with its kernel turned round, of which
    all is computed that there is and the middle kept."""
    op, (x, w) = node.op, node.inputs
    assert isinstance(op, ops.Conv)
    weight, worth = writer.graph.constant(w), writer.codes(result.output, result)
    kernel = weight.shape[1:-1]
    plain = len(kernel) == 2 and op.groups == 1 and {*op.stride, *op.dilation} == {1}
    starts = [k - 1 - before for k, (before, _) in zip(kernel, op.padding, strict=True)]
    if not plain or min(starts) < 0 or activation(result):
        raise InterchangeError(f"{node}: TensorFlow Lite's transposed convolution is plain")
    scales = np.broadcast_to(writer.graph.constant(result.inputs[-1]), len(weight))
    values = weight[:, ::-1, ::-1]
    filters = writer.model.tensor(w, values.shape, "int8", values, scales)
    *sides, outs = writer.types[result.output].shape
    whole = [
        (n - 1) * s + k
        for n, s, k in zip(writer.types[x].shape, spread.stride, kernel, strict=False)
    ]
    full = writer.between(f"{node.output} whole", (*whole, outs), result.output, worth)
    shape = writer.indices(f"{node.output} shape", (writer.batch, *whole, outs))
    options = dict(zip(("strideH", "strideW"), spread.stride, strict=True)) | {"padding": VALID}
    inputs = (shape, filters, writer.place(x), offsets)
    writer.model.operator("TRANSPOSE_CONV", inputs, [full], **options)
    ends = [start + side for start, side in zip(starts, sides, strict=True)]
    sliced(writer, full, (0, *starts, 0), (writer.batch, *ends, outs), (1, 1, 1, 1), result)


def windowed(writer: Writer, node: Node, weight: np.ndarray, options: dict):
    op = node.op
    assert isinstance(op, ops.Conv)
    if len(op.stride) != 2:
        raise InterchangeError(f"{node}: TensorFlow Lite convolves over two sides")
    worth = writer.codes(node.inputs[0], node)
    if any(map(any, op.padding)) and op.pad_value != worth.zero_point:
        raise InterchangeError(f"{node}: padding is the zero point, {worth.zero_point}")
    source, padding = writer.padding(node, weight.shape[1:3], op.dilation, worth.zero_point)
    options |= {"padding": padding}
    options |= dict(zip(("strideH", "strideW"), op.stride, strict=True))
    options |= dict(zip(("dilationHFactor", "dilationWFactor"), op.dilation, strict=True))
    if op.groups == 1 or weight.shape[-1] > 1:
        return "CONV_2D", source, weight
    options["depthMultiplier"] = len(weight) // op.groups
    return "DEPTHWISE_CONV_2D", source, weight.transpose(3, 1, 2, 0)
