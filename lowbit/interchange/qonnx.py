"""A low-bit graph as QONNX: ONNX with quantized weights and thresholds, as FINN and hls4ml read it.

Codes are float32 numbers. Weights come out of `Quant` or `BipolarQuant` nodes, steps are
`MultiThreshold` nodes, which count the thresholds that are reached as ours do. Pappalardo et al.,
"QONNX: Representing Arbitrary-Precision Quantized Neural Networks", 2022 [2206.07527].
"""

from collections.abc import Callable

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import Order, Sheet, TensorProto, geometry, helper, onnx
from lowbit.ir import Graph, Node, ops
from lowbit.spec import BINARY, QuantSpec

DOMAIN = "qonnx.custom_op.general"
OTHERWISE = "QONNX has no operator for it; 8-bit networks go to ONNX or TensorFlow Lite"
EXACT = 2**24  # float32 holds every integer up to here


def to_qonnx(graph: Graph, batch: int = 1) -> bytes:
    """The model, for a fixed batch. Raises InterchangeError for what QONNX has no operator for."""
    return Writer(graph, batch).write()


class Writer(Sheet):
    def __init__(self, graph: Graph, batch: int) -> None:
        super().__init__(graph)
        self.batch = batch

    def write(self) -> bytes:
        inputs = [self.input(name) for name in self.graph.inputs]
        for node in self.graph.nodes:
            rule = RULES.get(type(node.op))
            if rule is None:
                raise InterchangeError(f"{node}: {OTHERWISE}")
            rule(self, node)
        outputs = [self.output(name) for name in self.graph.outputs]
        return self.finished(inputs, outputs, {"": 13, DOMAIN: 1}, check=False)

    def information(self, name: str, of: str) -> onnx.ValueInfoProto:
        shape = [self.batch, *self.types[of].shape]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def input(self, name: str) -> onnx.ValueInfoProto:
        self.order[name] = tuple(range(len(self.types[name].shape)))
        return self.information(name, name)

    def output(self, name: str) -> onnx.ValueInfoProto:
        self.arranged(name, tuple(range(len(self.types[name].shape))), f"{name}.out")
        return self.information(f"{name}.out", name)

    def made(self, node: Node, kind: str, inputs: list[str], order: Order, **options) -> None:
        self.order[node.output] = order
        self.emit(kind, inputs, node.output, **options)

    def beside(self, name: str, order: Order) -> str:
        """An operand in the axes of another: a tensor, or a constant that is broadcast."""
        type_ = self.types[name]
        if type_.value is None:
            return self.arranged(name, order)
        value = type_.value.astype(np.float32)
        value = value.reshape((1,) * (len(order) - value.ndim) + value.shape)
        return self.constant(f"{name}.{len(self.nodes)}", value.transpose(np.argsort(order))[None])

    def weight(self, node: Node, value: np.ndarray) -> str:
        """Codes through the node that says which alphabet they are of; floats as they are."""
        name = self.constant(f"{node.output}.weight", value.astype(np.float32))
        spec = self.types[node.inputs[1]].spec
        if spec is None:
            return name
        if spec == BINARY:
            one = self.constant(f"{name}.scale", np.ones((), np.float32))
            return self.emit("BipolarQuant", [name, one], f"{name}.quant", domain=DOMAIN)
        scale, zero, bits, options = grid(spec)
        numbers = [
            self.constant(f"{name}.{role}", np.array(number, np.float32))
            for role, number in (("scale", scale), ("zero", zero), ("bits", bits))
        ]
        kinds = {"domain": DOMAIN, "rounding_mode": "ROUND", **options}
        return self.emit("Quant", [name, *numbers], f"{name}.quant", **kinds)


def grid(spec: QuantSpec) -> tuple[float, float, int, dict[str, int]]:
    """Scale, zero point and bits of the uniform grid that holds an alphabet, and its options.

    The odd integers -n..n are 2 (q + 1/2) with q in two's complement.
    """
    if spec.step == 2 and spec.lo == -spec.hi:
        return 2.0, -0.5, spec.bits, {"signed": 1, "narrow": 0}
    if spec.step != 1:
        raise InterchangeError(f"QONNX has no grid for {spec}")
    if spec.lo >= 0:
        return 1.0, 0.0, max(1, spec.hi.bit_length()), {"signed": 0, "narrow": 0}
    bits = max(spec.hi.bit_length(), (-spec.lo - 1).bit_length()) + 1
    narrow = int(spec.lo > -(2 ** (bits - 1)))
    return 1.0, 0.0, bits, {"signed": 1, "narrow": narrow}


def conv(writer: Writer, node: Node) -> None:
    op, weight = node.op, writer.graph.constant(node.inputs[1])
    assert isinstance(op, ops.Conv)
    source, order = writer.image(node.inputs[0])
    options = geometry(op.stride, op.padding, weight.shape[1:-1])
    if op.pad_value and any(map(any, op.padding)):
        before, after = zip(*op.padding, strict=True)
        sides = [0, 0, *before, 0, 0, *after]
        amounts = writer.constant(f"{node.output}.pads", np.array(sides, np.int64))
        value = writer.constant(f"{node.output}.fill", np.array(op.pad_value, np.float32))
        source = writer.emit("Pad", [source, amounts, value], f"{node.output}.padded")
        options["pads"] = [0] * (2 * len(op.padding))
    w = writer.weight(node, np.moveaxis(weight, -1, 1))
    more = {"dilations": op.dilation, "group": op.groups}
    writer.made(node, "Conv", [source, w], order, **options, **more)


def linear(writer: Writer, node: Node) -> None:
    w = writer.weight(node, writer.graph.constant(node.inputs[1]).T)
    order = tuple(range(len(writer.types[node.output].shape)))
    writer.made(node, "MatMul", [writer.natural(node.inputs[0]), w], order)


def threshold(writer: Writer, node: Node) -> None:
    """A falling channel is turned round: #{x < t} = #{-x >= the number after -t}."""
    op, (x, t, falling) = node.op, node.inputs
    assert isinstance(op, ops.Threshold)
    spec, down = writer.types[x].spec, writer.graph.constant(falling) == 1
    limits = limits_of(writer.graph.constant(t), spec, node)
    after = -limits + 1 if spec else np.nextafter(-limits, np.float32(np.inf))
    limits = np.where(down[:, None], after[:, ::-1], limits)
    source, order = writer.image(x)
    if down.any():
        sides = (1, -1) + (1,) * (len(order) - 1)
        sign = np.where(down, -1, 1).astype(np.float32).reshape(sides)
        signs = writer.constant(f"{node.output}.sign", sign)
        source = writer.emit("Mul", [source, signs], f"{node.output}.turned")
    numbers = writer.constant(f"{node.output}.thresholds", limits.astype(np.float32))
    alphabet = QuantSpec(op.lo, op.hi, op.step)
    options = {"out_scale": float(op.step), "out_bias": float(op.lo), "out_dtype": kind(alphabet)}
    layout = {1: "NC", 2: "NCW", 3: "NCHW"}[len(order)]
    writer.made(
        node,
        "MultiThreshold",
        [source, numbers],
        order,
        domain=DOMAIN,
        data_layout=layout,
        **options,
    )


def limits_of(t: np.ndarray, spec: QuantSpec | None, node: Node) -> np.ndarray:
    """Thresholds that float32 holds: those past the range of x are as good at its ends."""
    if spec is None:
        return t
    if spec.magnitude >= EXACT:
        raise InterchangeError(f"{node}: sums reach {spec.magnitude}, beyond 2^24")
    return np.clip(t.astype(np.int64), spec.lo, spec.hi + 1)


def kind(spec: QuantSpec) -> str:
    """QONNX's name for what holds an alphabet."""
    if spec == BINARY:
        return "BIPOLAR"
    low, high = spec.lo, spec.hi
    if low >= 0:
        return f"UINT{max(1, high.bit_length())}"
    return f"INT{max(high.bit_length(), (-low - 1).bit_length()) + 1}"


def arithmetic(name: str) -> Callable[[Writer, Node], None]:
    def rule(writer: Writer, node: Node) -> None:
        tensors = [n for n in node.inputs if writer.types[n].value is None]
        order = writer.order[tensors[0]]
        writer.made(node, name, [writer.beside(n, order) for n in node.inputs], order)

    return rule


def relu(writer: Writer, node: Node) -> None:
    writer.made(node, "Relu", [node.inputs[0]], writer.order[node.inputs[0]])


def clamp(writer: Writer, node: Node) -> None:
    ends = [
        writer.constant(f"{node.output}.{role}", np.array(getattr(node.op, role), np.float32))
        for role in ("lo", "hi")
    ]
    writer.made(node, "Clip", [node.inputs[0], *ends], writer.order[node.inputs[0]])


def pool(writer: Writer, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.MaxPool | ops.AvgPool)
    source, order = writer.image(node.inputs[0])
    options = geometry(op.stride, op.padding, op.kernel)
    if isinstance(op, ops.MaxPool):
        writer.made(node, "MaxPool", [source], order, dilations=op.dilation, **options)
    else:
        include = {"count_include_pad": op.include_pad}
        writer.made(node, "AveragePool", [source], order, **include, **options)


def mean(writer: Writer, node: Node) -> None:
    source, order = writer.image(node.inputs[0])
    axes = list(range(2, len(order) + 1))
    writer.made(node, "ReduceMean", [source], (0,), axes=axes, keepdims=0)


def reshape(writer: Writer, node: Node) -> None:
    shape = np.array([writer.batch, *writer.types[node.output].shape], np.int64)
    sides = writer.constant(f"{node.output}.shape", shape)
    order = tuple(range(len(shape) - 1))
    writer.made(node, "Reshape", [writer.natural(node.inputs[0]), sides], order)


def transpose(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Transpose)
    order = writer.order[node.inputs[0]]
    moved = tuple(order[axis] for axis in node.op.permutation)
    writer.made(node, "Identity", [node.inputs[0]], moved)


def concat(writer: Writer, node: Node) -> None:
    assert isinstance(node.op, ops.Concat)
    order = writer.order[node.inputs[0]]
    operands = [writer.arranged(name, order) for name in node.inputs]
    writer.made(node, "Concat", operands, order, axis=order[node.op.axis] + 1)


RULES: dict[type, Callable[[Writer, Node], None]] = {
    ops.Conv: conv,
    ops.Linear: linear,
    ops.Threshold: threshold,
    ops.Add: arithmetic("Add"),
    ops.Sub: arithmetic("Sub"),
    ops.Mul: arithmetic("Mul"),
    ops.Div: arithmetic("Div"),
    ops.PRelu: arithmetic("PRelu"),
    ops.Relu: relu,
    ops.Clamp: clamp,
    ops.MaxPool: pool,
    ops.AvgPool: pool,
    ops.Mean: mean,
    ops.Reshape: reshape,
    ops.Transpose: transpose,
    ops.Concat: concat,
}
