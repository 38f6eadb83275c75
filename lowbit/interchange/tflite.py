"""An 8-bit graph as a TensorFlow Lite model: its operators are that runtime's, put differently.

An accumulator and its requantization become one operator; the input's zero point goes back out of
the bias, and a dequantization's subtraction and product become one operator. What TensorFlow Lite
computes is then, in form D, TFLite Micro's reference, and in form F, XNNPACK.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.flatbuffer import Model
from lowbit.interchange.parameters import recodes_input, worths
from lowbit.ir import Graph, Node, ops, verify
from lowbit.spec import INT8, Codes, Parameters, signed

SAME, VALID = 0, 1
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}


def to_tflite(graph: Graph, batch: int = 1) -> bytes:
    """The flatbuffer. Raises InterchangeError for what the format or its kernels do not have."""
    return Writer(graph, batch).write()


class Writer:
    def __init__(self, graph: Graph, batch: int) -> None:
        self.graph, self.batch, self.model = graph, batch, Model()
        self.types, self.worth = verify(graph), worths(graph)
        self.index: dict[str, int] = {}
        self.made = {node.output: node for node in graph.nodes}

    def write(self) -> bytes:
        for name in self.graph.inputs:
            self.place(name)
        for node in self.graph.nodes:
            if node.output not in self.index and not self.waits(node):
                self.lower(node)
        ends = [
            [self.index[name] for name in names]
            for names in (self.graph.inputs, self.graph.outputs)
        ]
        return self.model.finish(*ends)

    def lower(self, node: Node) -> None:
        rule = RULES.get(type(node.op))
        if rule is None:
            raise InterchangeError(f"{node}: TensorFlow Lite has no operator for it")
        rule(self, node)

    def waits(self, node: Node) -> bool:
        """Whether it is written with the node that reads it: a sum, or a dequantization's half."""
        return isinstance(node.op, (ops.Sub, ops.Byte, ops.Spread, *SUMS))

    def place(self, name: str) -> int:
        """The index of a tensor, which is made when first asked for."""
        if name not in self.index:
            made = self.made.get(name)
            if made and self.waits(made):
                raise InterchangeError(f"{made}: TensorFlow Lite has it in other operators alone")
            type_, worth = self.types[name], self.worth.get(name)
            shape = (self.batch, *type_.shape)
            values = (worth.scale, worth.zero_point) if worth else (None, 0)
            self.index[name] = self.model.tensor(name, shape, type_.dtype, None, *values)
        return self.index[name]

    def between(self, name: str, shape, like: str, worth: Parameters) -> int:
        dtype = self.types[like].dtype
        return self.model.tensor(name, (self.batch, *shape), dtype, None, *worth)

    def number(self, name: str, value: int, like: str, worth: Parameters) -> int:
        """A code of the tensor `like`."""
        return self.model.tensor(name, (), self.types[like].dtype, value, *worth)

    def codes(self, name: str, node: Node) -> Parameters:
        if name not in self.worth:
            raise InterchangeError(f"{node}: what the codes {name} are worth is not known")
        return self.worth[name]

    def operator(self, kind: str, inputs, node: Node, **options: object) -> None:
        self.model.operator(kind, inputs, [self.place(node.output)], **options)

    def indices(self, name: str, values) -> int:
        array = np.asarray(values, np.int32)
        return self.model.tensor(name, array.shape, "int32", array)

    def padding(self, node: Node, kernel, dilation, fill: int) -> tuple[int, int]:
        """The tensor a window reads and its padding: SAME, or VALID, after PADV2 if need be."""
        x, op = node.inputs[0], node.op
        sides, pads = self.types[x].shape[:-1], op.padding  # type: ignore[attr-defined]
        if not any(map(any, pads)):
            return self.place(x), VALID
        if pads == same_padding(sides, kernel, op.stride, dilation):  # type: ignore[attr-defined]
            return self.place(x), SAME
        shape = (*(s + sum(p) for s, p in zip(sides, pads, strict=True)), self.types[x].shape[-1])
        worth = self.codes(x, node)
        padded = self.between(f"{node.output} padded", shape, x, worth)
        amounts = self.indices(f"{node.output} pads", [(0, 0), *pads, (0, 0)])
        value = self.number(f"{node.output} fill", fill, x, worth)
        self.model.operator("PADV2", [self.place(x), amounts, value], [padded])
        return padded, VALID


def same_padding(sides, kernel, stride, dilation):
    """TensorFlow's: as many outputs as ceil(side / stride), the odd tap behind."""
    pads = []
    for side, k, s, d in zip(sides, kernel, stride, dilation, strict=True):
        total = max((-(-side // s) - 1) * s + d * (k - 1) + 1 - side, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def activation(node: Node) -> int:
    """The fused activation that clamps to lo..hi; InterchangeError if there is none."""
    op = node.op
    s, z, lo, hi = op.to  # type: ignore[attr-defined]
    spec = signed(16) if is_wide(op.to) else INT8  # type: ignore[attr-defined]
    six = min(spec.hi, z + int(np.floor(np.float32(6) / np.float32(s) + np.float32(0.5))))
    clamps = (("NONE", (spec.lo, spec.hi)), ("RELU", (z, spec.hi)), ("RELU6", (z, six)))
    for name, ends in clamps:
        if (lo, hi) == ends:
            return ACTIVATIONS[name]
    raise InterchangeError(f"{node}: no fused activation clamps to {lo}..{hi}")


def is_wide(codes: Codes) -> bool:
    return codes.lo < INT8.lo or codes.hi > INT8.hi


def requantize_wide(writer: Writer, node: Node) -> None:
    """Two products of bytes as the one of 16-bit codes that they stand for."""
    upper = writer.made[node.inputs[0]]
    (x,) = writer.made[upper.inputs[0]].inputs
    product(writer, replace(upper, inputs=(x, upper.inputs[1])), node)


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


def add(writer: Writer, node: Node) -> None:
    kind = "ADD" if node.op.sign == 1 else "SUB"  # type: ignore[attr-defined]
    operands = [writer.place(name) for name in node.inputs]
    options: dict[str, object] = {"fusedActivationFunction": activation(node)}
    if is_wide(node.op.to):  # type: ignore[attr-defined]
        options["potScaleInt16"] = False
    writer.operator(kind, operands, node, **options)


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


def reshape(writer: Writer, node: Node) -> None:
    shape = writer.indices(f"{node.output} shape", (writer.batch, *writer.types[node.output].shape))
    writer.operator("RESHAPE", [writer.place(node.inputs[0]), shape], node)


def transpose(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Transpose)
    order = writer.indices(f"{node.output} order", (0, *(a + 1 for a in node.op.permutation)))
    writer.operator("TRANSPOSE", [writer.place(node.inputs[0]), order], node)


def concat(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Concat)
    if len({writer.codes(name, node) for name in node.inputs}) > 1:
        raise InterchangeError(f"{node}: operands side by side share scale and zero point")
    operands = [writer.place(name) for name in node.inputs]
    writer.operator("CONCATENATION", operands, node, axis=node.op.axis + 1)


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


def softmax(writer: Writer, node: Node) -> None:
    if writer.codes(node.inputs[0], node).scale != node.op.scale:  # type: ignore[attr-defined]
        raise InterchangeError(f"{node}: its codes have another scale than it takes")
    writer.operator("SOFTMAX", [writer.place(node.inputs[0])], node, beta=1.0)


def pad(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Pad)
    worth = writer.codes(node.inputs[0], node)
    amounts = writer.indices(f"{node.output} pads", [(0, 0), *node.op.padding, (0, 0)])
    value = writer.number(f"{node.output} fill", node.op.value, node.inputs[0], worth)
    writer.operator("PADV2", [writer.place(node.inputs[0]), amounts, value], node)


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


def quantize(writer: Writer, node: Node) -> None:
    writer.operator("QUANTIZE", [writer.place(node.inputs[0])], node)


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


SUMS = (ops.Conv, ops.Linear, ops.MulCodes)
RULES: dict[type, Callable[[Writer, Node], None]] = {
    ops.RequantizeD: requantize,
    ops.RequantizeF: requantize,
    ops.RequantizeWide: requantize_wide,
    ops.QuantizeD: quantize,
    ops.QuantizeF: quantize,
    ops.AddD: add,
    ops.AddF: add,
    ops.MaxPool: pool,
    ops.MeanCodes: pool,
    ops.Reshape: reshape,
    ops.Transpose: transpose,
    ops.Concat: concat,
    ops.Mul: dequantize,
    ops.Lookup: lookup,
    ops.Pad: pad,
    ops.SoftmaxD: softmax,
    ops.SoftmaxF: softmax,
    ops.Slice: cut,
    ops.ResizeNearest: resize,
}
