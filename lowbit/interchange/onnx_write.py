"""An 8-bit graph as an ONNX model of float operators between quantize and dequantize nodes.

ONNX Runtime joins a product with the nodes around it and computes form F, to the bit. Sums,
averages and products of codes it computes in floats: those differ from ours by a code at ties,
unless they are written as onnx_exact.py has them. Weights of up to 2, 4 and 8 bits are stored as
INT2 (opset 25), INT4 (21) and INT8 (13).
"""

from collections.abc import Callable, Mapping

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import Order, Sheet, TensorProto, geometry, helper, onnx
from lowbit.interchange.parameters import recodes_input, worths
from lowbit.ir import Graph, Node, ops
from lowbit.spec import INT8, Parameters, QuantSpec

SUMS = (ops.Conv, ops.Linear, ops.MulCodes, ops.MatMul)
WEIGHTS = ((2, TensorProto.INT2, 25), (4, TensorProto.INT4, 21), (8, TensorProto.INT8, 13))


def to_onnx(graph: Graph, exact: bool = False) -> bytes:
    """The model, its batch of any size. Raises InterchangeError for what ONNX cannot say.

    `exact` writes sums and averages of codes as integer arithmetic, which gives our codes in any
    runtime; without it they are float operators, which runtimes know how to join with the nodes
    around them, and which `from_onnx` reads.
    """
    if not exact:
        return Writer(graph, RULES).write()
    from lowbit.interchange import onnx_exact

    return Writer(graph, RULES | onnx_exact.RULES).write()


Rule = Callable[["Writer", Node], None]


class Writer(Sheet):
    """A tensor of codes is there as codes, `name.q`, and dequantized, under its own name."""

    def __init__(self, graph: Graph, rules: Mapping[type, Rule]) -> None:
        super().__init__(graph)
        self.rules = rules
        self.worth = worths(graph)
        self.made = {node.output: node for node in graph.nodes}
        self.opset = 13

    def write(self) -> bytes:
        inputs = [self.input(name) for name in self.graph.inputs]
        for node in self.graph.nodes:
            self.lower(node)
        outputs = [self.output(name) for name in self.graph.outputs]
        return self.finished(inputs, outputs, {"": self.opset})

    def lower(self, node: Node) -> None:
        if isinstance(node.op, SUMS) or (isinstance(node.op, ops.Sub) and self.dequantizes(node)):
            return  # written with the node that reads it
        rule = self.rules.get(type(node.op))
        if rule is None:
            raise InterchangeError(f"{node}: no rule writes it as ONNX")
        rule(self, node)

    # Tensors

    def input(self, name: str) -> onnx.ValueInfoProto:
        type_ = self.types[name]
        self.order[name] = tuple(range(len(type_.shape)))
        stored = f"{name}.q" if type_.spec else name
        if type_.spec:
            self.dequantize(name, stored)
        return helper.make_tensor_value_info(stored, element(type_.spec), ["N", *type_.shape])

    def output(self, name: str) -> onnx.ValueInfoProto:
        type_ = self.types[name]
        self.arranged(name, tuple(range(len(type_.shape))), f"{name}.out")
        if name in self.worth:
            self.quantize(f"{name}.out", f"{name}.codes", self.worth[name], type_.spec or INT8)
        stored = f"{name}.codes" if name in self.worth else f"{name}.out"
        return helper.make_tensor_value_info(stored, element(type_.spec), ["N", *type_.shape])

    def parameters(self, name: str, worth: Parameters, spec: QuantSpec = INT8) -> list[str]:
        """Scale and zero point, whose type is that of the codes."""
        kind = np.int8 if spec.lo < 0 or spec.hi <= INT8.hi else np.uint8
        return [
            self.constant(f"{name}.scale", np.array(worth.scale, np.float32)),
            self.constant(f"{name}.zero", np.array(worth.zero_point, kind)),
        ]

    def quantize(self, x: str, codes: str, worth: Parameters, spec: QuantSpec = INT8) -> None:
        self.emit("QuantizeLinear", [x, *self.parameters(codes, worth, spec)], codes)

    def dequantize(self, name: str, codes: str) -> None:
        worth, spec = self.codes(name), self.types[name].spec or INT8
        self.emit("DequantizeLinear", [codes, *self.parameters(codes, worth, spec)], name)

    def codes(self, name: str) -> Parameters:
        if name not in self.worth:
            raise InterchangeError(f"{name}: what its codes are worth is not known")
        return self.worth[name]

    def finish(self, node: Node, made: str, order: Order) -> None:
        """Quantizes a float tensor and gives it back to floats."""
        self.order[node.output] = order
        spec = self.types[node.output].spec or INT8
        self.quantize(made, f"{node.output}.q", self.codes(node.output), spec)
        self.dequantize(node.output, f"{node.output}.q")

    def dequantizes(self, node: Node) -> bool:
        return node.inputs[0] in self.worth and node.inputs[1] in self.graph.constants

    def clamped(self, node: Node, made: str) -> str:
        """With the activation that the codes' ends stand for; QuantizeLinear has the rest. An
        activation comes behind codes, for a product that has one is not joined with its nodes."""
        scale, z, lo, hi = node.op.to  # type: ignore[attr-defined]
        if (lo, hi) == (-128, 127):
            return made
        worth = Parameters(scale, z)
        self.quantize(made, f"{made}.q", worth)
        codes = [f"{made}.q", *self.parameters(f"{made}.real", worth)]
        made = self.emit("DequantizeLinear", codes, f"{made}.real")
        if (lo, hi) == (z, 127):
            return self.emit("Relu", [made], f"{made}.relu")
        ends = [np.array((end - z) * scale, np.float32) for end in (lo, hi)]
        names = [self.constant(f"{made}.{n}", v) for n, v in zip(("lo", "hi"), ends, strict=True)]
        return self.emit("Clip", [made, *names], f"{made}.clip")


def element(spec: QuantSpec | None) -> int:
    if spec is None:
        return TensorProto.FLOAT
    return TensorProto.INT8 if spec.lo < 0 or spec.hi <= INT8.hi else TensorProto.UINT8


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


def pair(writer: Writer, node: Node, result: Node) -> None:
    a, b = node.inputs
    order = writer.order[a]
    if isinstance(node.op, ops.MatMul):
        order = tuple(range(len(order)))
    kind = "MatMul" if isinstance(node.op, ops.MatMul) else "Mul"
    operands = [writer.arranged(name, order) for name in (a, b)]
    made = writer.emit(kind, operands, f"{node.output}.float")
    writer.finish(result, writer.clamped(result, made), order)


def product(writer: Writer, node: Node, result: Node) -> None:
    graph, (x, w) = writer.graph, node.inputs
    worth, weight = writer.codes(x), graph.constant(w).astype(np.int64)
    scales = np.broadcast_to(graph.constant(result.inputs[2]), len(weight)).astype(np.float32)
    sums = weight.reshape(len(weight), -1).sum(1)
    bias = graph.constant(result.inputs[1]).astype(np.int64) + worth.zero_point * sums
    if abs(bias).max() >= 2**31:
        raise InterchangeError(f"{node}: its bias does not fit int32")
    options: dict[str, object] = {}
    if isinstance(node.op, ops.Conv):
        source, order = writer.image(x)
        weight = np.moveaxis(weight, -1, 1)
        kind, options = "Conv", windowed(node, worth, weight.shape[2:])
    elif len(writer.types[x].shape) == 1:
        kind, source, order, options = "Gemm", x, (0,), {"transB": 1}
    else:
        raise InterchangeError(f"{node}: linear layers over more than one row are not written")
    wide = writer.constant(f"{node.output}.bias.q", bias.astype(np.int32))
    factors = (np.float32(worth.scale) * scales).astype(np.float32)
    operands = [
        source,
        stored_weight(writer, node, weight, scales),
        writer.emit(
            "DequantizeLinear",
            [wide, writer.constant(f"{wide}.scale", factors)],
            f"{node.output}.bias",
            axis=0,
        ),
    ]
    made = writer.emit(kind, operands, f"{node.output}.float", **options)
    writer.finish(result, writer.clamped(result, made), order)


def stored_weight(writer: Writer, node: Node, weight: np.ndarray, scales: np.ndarray) -> str:
    """Codes in the fewest bits that hold them, dequantized a channel each."""
    largest = QuantSpec(int(weight.min()), int(weight.max()))
    _, kind, opset = next(w for w in WEIGHTS if largest.magnitude < 2 ** (w[0] - 1))
    writer.opset = max(writer.opset, opset)
    name = f"{node.output}.weight"
    codes = writer.constant(f"{name}.q", weight, kind)
    factors = writer.constant(f"{name}.scale", scales)
    zeros = writer.constant(f"{name}.zero", np.zeros(len(scales), np.int64), kind)
    return writer.emit("DequantizeLinear", [codes, factors, zeros], name, axis=0)


def windowed(node: Node, worth: Parameters, kernel) -> dict[str, object]:
    op = node.op
    assert isinstance(op, ops.Conv)
    if any(map(any, op.padding)) and op.pad_value != worth.zero_point:
        raise InterchangeError(f"{node}: padding is the zero point, {worth.zero_point}")
    return {**geometry(op.stride, op.padding, kernel), "dilations": op.dilation, "group": op.groups}


def add(writer: Writer, node: Node) -> None:
    order = writer.order[node.inputs[0]]
    kind = "Add" if node.op.sign == 1 else "Sub"  # type: ignore[attr-defined]
    operands = [writer.arranged(name, order) for name in node.inputs]
    made = writer.emit(kind, operands, f"{node.output}.float")
    writer.finish(node, writer.clamped(node, made), order)


def pool(writer: Writer, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.MaxPool | ops.MeanCodes)
    source, order = writer.image(node.inputs[0])
    options = geometry(op.stride, op.padding, op.kernel)
    if isinstance(op, ops.MaxPool):
        options["dilations"] = op.dilation
    kind = "MaxPool" if isinstance(op, ops.MaxPool) else "AveragePool"
    writer.finish(node, writer.emit(kind, [source], f"{node.output}.float", **options), order)


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


def transpose(writer: Writer, node: Node) -> None:
    """Nothing but a change of names."""
    assert isinstance(node.op, ops.Transpose)
    order = writer.order[node.inputs[0]]
    writer.order[node.output] = tuple(order[axis] for axis in node.op.permutation)
    writer.emit("Identity", [node.inputs[0]], node.output)


def concat(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Concat)
    order = writer.order[node.inputs[0]]
    operands = [writer.arranged(name, order) for name in node.inputs]
    made = writer.emit("Concat", operands, f"{node.output}.float", axis=order[node.op.axis] + 1)
    placed(writer, node, made, order)


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


RULES: dict[type, Rule] = {
    ops.RequantizeF: requantize,
    ops.QuantizeF: quantize,
    ops.AddF: add,
    ops.MaxPool: pool,
    ops.MeanCodes: pool,
    ops.Reshape: reshape,
    ops.Transpose: transpose,
    ops.Concat: concat,
    ops.Lookup: lookup,
    ops.Pad: pad,
    ops.Slice: cut,
    ops.ResizeNearest: resize,
    ops.Mul: dequantize,
}
