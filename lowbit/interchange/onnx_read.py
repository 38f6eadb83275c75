"""ONNX models, quantized by others or written here, as graphs.

Codes stay codes: a product between dequantize and quantize nodes, or a QLinear operator, becomes a
product of integers and a requantization in form F, as ONNX Runtime computes them; what moves or
pools codes runs on them. Anything else is float32 arithmetic between the codes, as the standard
defines it. ONNX has channels first, the graph last: a `Value` knows where its axes are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_model import Step, demand, guarded, parse
from lowbit.ir import Graph, InvalidGraph, Node, Op, TensorType, ops, verify
from lowbit.spec import INT8, Codes, Parameters, QuantSpec, unsigned

FLOAT, UINT8, INT8_KIND = 1, 2, 3
INPUTS = {FLOAT: None, UINT8: unsigned(8), INT8_KIND: INT8}
LARGEST = 2**29  # bytes of all tensors of a sample


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, whose axis i is ONNX's feature axis axes[i]. With a worth it stands
    for the real numbers of its codes."""

    name: str
    axes: tuple[int, ...]
    worth: Parameters | None = None


@dataclass(frozen=True)
class Weights:
    """Codes of a constant around zero, and a scale, one or one along `axis`."""

    codes: np.ndarray
    scales: np.ndarray
    axis: int


@dataclass(frozen=True)
class Sums:
    """Sums of products, worth scale * scales * (sum + bias), and how an activation clamps them."""

    value: Value
    scale: float
    scales: np.ndarray
    bias: np.ndarray
    lo: float = -np.inf
    hi: float = np.inf


Known = Value | Weights | Sums | np.ndarray


def from_onnx(data: bytes) -> Graph:
    """The graph of a model. Raises InterchangeError, naming the node, for what is not read."""
    reader = Reader(data)
    graph = guarded(reader.graph, "not a sound ONNX model")
    try:
        verify(graph)
    except InvalidGraph as error:
        raise InterchangeError(f"{error!s:.300}") from None
    return graph


class Reader:
    def __init__(self, data: bytes) -> None:
        self.model = parse(data)
        self.known: dict[str, Known] = dict(self.model.constants)
        self.constants: dict[str, TensorType] = {}
        self.types: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.bytes = 0

    def graph(self) -> Graph:
        inputs = {}
        for place in self.model.inputs:
            demand(place.kind in INPUTS, f"input {place.name!r:.80} is float32, int8 or uint8")
            inputs[place.name] = TensorType(place.shape, INPUTS[place.kind])
            self.types[place.name] = inputs[place.name]
            self.known[place.name] = Value(place.name, tuple(range(len(place.shape))))
        for step in self.model.steps:
            rule = RULES.get(step.kind)
            demand(rule is not None and len(step.outputs) >= 1, f"{step}: it is not read")
            assert rule is not None
            self.known[step.outputs[0]] = rule(self, step)
        outputs = tuple(self.output(name) for name in self.model.outputs)
        return Graph(inputs, self.constants, tuple(self.nodes), outputs)

    def output(self, name: str) -> str:
        demand(name in self.known, f"output {name!r:.80} is never made")
        found = self.known[name]
        value = self.natural(found if isinstance(found, Value) else self.real(found))
        return (self.real(value) if value.worth else value).name

    # Graph

    def emit(self, op: Op, *operands: "Value | str", axes: tuple[int, ...]) -> Value:
        names = tuple(o.name if isinstance(o, Value) else o for o in operands)
        try:
            type_ = op.infer(*(self.types[n] for n in names))
        except InvalidGraph as error:
            raise InterchangeError(f"{op}: {error!s:.300}") from None
        name = f"t{len(self.nodes)}"
        self.bytes += 4 * int(np.prod(type_.shape, dtype=object))
        demand(self.bytes <= LARGEST, f"its tensors take more than {LARGEST} bytes a sample")
        self.types[name] = type_
        self.nodes.append(Node(op, names, name))
        return Value(name, axes)

    def constant(self, value: np.ndarray, spec: QuantSpec | None = None) -> str:
        name = f"c{len(self.constants)}"
        type_ = TensorType(value.shape, spec)
        stored = np.ascontiguousarray(value.astype(type_.dtype)).reshape(value.shape)
        self.constants[name] = self.types[name] = TensorType(value.shape, spec, stored)
        return name

    def arranged(self, value: Value, axes: tuple[int, ...]) -> Value:
        if value.axes == axes:
            return value
        permutation = tuple(value.axes.index(a) for a in axes)
        return replace(self.emit(ops.Transpose(permutation), value, axes=axes), worth=value.worth)

    def natural(self, value: Value) -> Value:
        return self.arranged(value, tuple(range(len(value.axes))))

    def image(self, value: Value) -> Value:
        return self.arranged(value, (*range(1, len(value.axes)), 0))

    # Operands

    def value(self, step: Step, place: int) -> Value:
        """A tensor that depends on the input."""
        demand(place < len(step.inputs), f"{step}: operand {place} is missing")
        found = self.known.get(step.inputs[place])
        demand(found is not None, f"{step}: {step.inputs[place]!r:.80} is never made")
        if isinstance(found, Sums):
            found = self.real(found)
        if not isinstance(found, Value):
            raise InterchangeError(f"{step}: operand {place} does not depend on the input")
        return found

    def array(self, step: Step, place: int, default: object = None) -> np.ndarray:
        """A constant operand."""
        if place >= len(step.inputs) or not step.inputs[place]:
            demand(default is not None, f"{step}: operand {place} is missing")
            return np.asarray(default)
        found = self.known.get(step.inputs[place])
        if isinstance(found, Weights):
            return found.codes * along(found.scales, found.codes.ndim, found.axis)
        if not isinstance(found, np.ndarray):
            raise InterchangeError(f"{step}: operand {place} is a constant")
        return found

    def number(self, step: Step, place: int, default: float | None = None) -> float:
        found = self.array(step, place, default)
        demand(found.size == 1, f"{step}: operand {place} is one number")
        return float(found.reshape(()))

    def worth(self, step: Step, scale: int, zero: int) -> Parameters:
        return Parameters(self.number(step, scale), int(self.number(step, zero, 0)))

    def real(self, value: "Value | Sums | Known") -> Value:
        """Float32 numbers."""
        if isinstance(value, Sums):
            y = self.emit(ops.Add(), value.value, self.constant(value.bias), axes=value.value.axes)
            factors = np.float32(value.scale) * value.scales.astype(np.float32)
            y = self.emit(ops.Mul(), y, self.constant(factors), axes=y.axes)
            if (value.lo, value.hi) == (-np.inf, np.inf):
                return y
            ends = (float(np.clip(e, -3e38, 3e38)) for e in (value.lo, value.hi))
            return self.emit(ops.Clamp(*ends), y, axes=y.axes)
        demand(isinstance(value, Value), "a result does not depend on the input")
        assert isinstance(value, Value)
        if value.worth is None:
            return value
        zero = self.constant(np.array(value.worth.zero_point, np.float32))
        y = self.emit(ops.Sub(), replace(value, worth=None), zero, axes=value.axes)
        scale = self.constant(np.array(value.worth.scale, np.float32))
        return self.emit(ops.Mul(), y, scale, axes=y.axes)

    def ends(self, step: Step, zero: int) -> tuple[int, int]:
        """The codes of a quantize node, by the type of its zero point; uint8 without one."""
        kind = self.array(step, zero, np.uint8(0)).dtype
        demand(kind in CODES, f"{step}: activations are int8 or uint8 codes")
        return CODES[kind]


CODES = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}


def along(values: np.ndarray, rank: int, axis: int) -> np.ndarray:
    sides = [1] * rank
    if values.size > 1:
        sides[axis] = -1
    return values.reshape(sides)


# Quantize and dequantize


def quantize(reader: Reader, step: Step) -> Value:
    worth, ends = reader.worth(step, 1, 2), reader.ends(step, 2)
    found = reader.known.get(step.inputs[0])
    if isinstance(found, Sums):
        return requantized(reader, found, worth, ends)
    value = reader.value(step, 0)
    if value.worth == worth and reader.types[value.name].spec == QuantSpec(*ends):
        return replace(value, worth=None)
    x = reader.real(value)
    if worth.scale != 1:
        scale = reader.constant(np.array(worth.scale, np.float32))
        x = reader.emit(ops.Div(), x, scale, axes=x.axes)
    return reader.emit(ops.QuantizeF(Codes(1.0, worth.zero_point, *ends)), x, axes=x.axes)


def requantized(reader: Reader, sums: Sums, worth: Parameters, ends: tuple[int, int]) -> Value:
    """Form F, an activation's clamp in its codes."""
    lo, hi = (
        worth.zero_point + np.rint(np.clip(e / worth.scale, -1e6, 1e6)) for e in (sums.lo, sums.hi)
    )
    clamp = (max(ends[0], int(min(lo, ends[1]))), min(ends[1], int(max(hi, ends[0]))))
    bias = np.atleast_1d(sums.bias).astype(np.int64)
    spec = QuantSpec(int(bias.min()), int(bias.max()))
    operands = (reader.constant(bias, spec), reader.constant(np.atleast_1d(sums.scales)))
    op = ops.RequantizeF(sums.scale, Codes(*worth, *clamp))
    return reader.emit(op, sums.value, *operands, axes=sums.value.axes)


def dequantize(reader: Reader, step: Step) -> Known:
    found = reader.known.get(step.inputs[0])
    if isinstance(found, np.ndarray):
        scales, zeros = reader.array(step, 1), reader.array(step, 2, 0)
        axis = step.options.get("axis", 1)
        demand(not step.options.get("block_size"), f"{step}: blocks are not read")
        rank = max(found.ndim, 1)
        codes = found.astype(np.int64) - along(zeros.astype(np.int64), rank, axis % rank)
        return Weights(codes, scales.reshape(-1), axis % rank)
    return replace(reader.value(step, 0), worth=reader.worth(step, 1, 2))


# Products


def weights(reader: Reader, step: Step, place: int) -> Weights:
    found = reader.known.get(step.inputs[place])
    if isinstance(found, np.ndarray):
        raise InterchangeError(f"{step}: its weights are floats: only quantized ones are read")
    if not isinstance(found, Weights):
        raise InterchangeError(f"{step}: its weights depend on the input")
    return found


def codes_of(reader: Reader, step: Step, place: int) -> Value:
    value = reader.value(step, place)
    demand(value.worth is not None, f"{step}: it multiplies floats: only codes are read")
    return value


def product(
    reader: Reader,
    step: Step,
    op: Op,
    value: Value,
    w: Weights,
    bias: np.ndarray,
    worth: Parameters,
) -> Sums:
    """`w` with its outputs first and its depth last; `bias` in real numbers or, int32, in sums."""
    scales = np.atleast_1d(w.scales).astype(np.float32)
    demand(len(scales) in (1, len(w.codes)), f"{step}: weights have a scale an output")
    spec = QuantSpec(int(w.codes.min()), int(w.codes.max()))
    spec = INT8 if spec.lo >= -128 and spec.hi <= 127 else spec
    y = reader.emit(op, replace(value, worth=None), reader.constant(w.codes, spec), axes=value.axes)
    if bias.dtype.kind == "f":
        bias = np.rint(bias / (np.float64(worth.scale) * scales))
    offset = worth.zero_point * w.codes.reshape(len(w.codes), -1).sum(1)
    return Sums(y, worth.scale, scales, np.rint(bias).astype(np.int64) - offset)


def bias_of(reader: Reader, step: Step, place: int, outs: int) -> np.ndarray:
    """A dequantized bias gives its codes, which are sums."""
    if place >= len(step.inputs) or not step.inputs[place]:
        return np.zeros(outs, np.int64)
    found = reader.known.get(step.inputs[place])
    bias = found.codes if isinstance(found, Weights) else reader.array(step, place)
    demand(bias.shape == (outs,), f"{step}: a bias an output")
    return bias


def convolved(reader: Reader, step: Step, x: Value, worth: Parameters, w: Weights, bias) -> Sums:
    sides = w.codes.ndim - 2
    demand(sides in (1, 2) and len(x.axes) == sides + 1, f"{step}: it convolves over 1 or 2 sides")
    stride, pads, dilation = window(step, sides, w.codes.shape[2:])
    zero = worth.zero_point if any(map(any, pads)) else 0
    op = ops.Conv(stride, pads, dilation, int(step.options.get("group", 1)), zero)
    turned = Weights(np.moveaxis(w.codes, 1, -1), w.scales, 0)
    return product(reader, step, op, reader.image(x), turned, bias, worth)


def window(step: Step, sides: int, kernel) -> tuple:
    """Stride, padding and dilation."""
    demand(step.options.get("auto_pad", b"NOTSET") == b"NOTSET", f"{step}: auto_pad is not read")
    demand(not step.options.get("ceil_mode"), f"{step}: ceil_mode is not read")
    ones = [1] * sides
    stride, dilation = (step.options.get(n, ones) for n in ("strides", "dilations"))
    pads = step.options.get("pads", [0] * (2 * sides))
    lengths = (len(stride), len(dilation), len(pads), len(kernel))
    demand(lengths == (sides, sides, 2 * sides, sides), f"{step}: one stride and padding a side")
    return tuple(stride), tuple(zip(pads[:sides], pads[sides:], strict=True)), tuple(dilation)


def conv(reader: Reader, step: Step) -> Sums:
    x, w = codes_of(reader, step, 0), weights(reader, step, 1)
    assert x.worth is not None
    return convolved(reader, step, x, x.worth, w, bias_of(reader, step, 2, len(w.codes)))


def gemm(reader: Reader, step: Step) -> Sums:
    options = step.options
    plain = options.get("alpha", 1) == options.get("beta", 1) == 1 and not options.get("transA")
    demand(plain, f"{step}: alpha and beta are 1, and A is as it lies")
    w = weights(reader, step, 1)
    return rows(reader, step, w if options.get("transB") else turned(w), 2)


def turned(w: Weights) -> Weights:
    return Weights(w.codes.T, w.scales, 0)


def matmul(reader: Reader, step: Step) -> Known:
    if isinstance(reader.known.get(step.inputs[1]), Weights):
        return rows(reader, step, turned(weights(reader, step, 1)), 99)
    a, b = (codes_of(reader, step, i) for i in (0, 1))
    assert a.worth is not None
    assert b.worth is not None
    return paired(reader, a, b, a.worth, b.worth)


def paired(reader: Reader, a: Value, b: Value, x: Parameters, y: Parameters) -> Sums:
    a, b = (replace(reader.natural(v), worth=None) for v in (a, b))
    made = reader.emit(ops.MatMul((x.zero_point, y.zero_point)), a, b, axes=a.axes)
    return Sums(made, x.scale, np.array([y.scale], np.float32), np.zeros(1, np.int64))


def rows(reader: Reader, step: Step, w: Weights, bias: int) -> Sums:
    x = codes_of(reader, step, 0)
    assert x.worth is not None
    demand(w.codes.ndim == 2, f"{step}: its weights are one matrix")
    offset = bias_of(reader, step, bias, len(w.codes))
    return product(reader, step, ops.Linear(), reader.natural(x), w, offset, x.worth)


def coded(reader: Reader, step: Step, first: int, axis: int) -> Weights:
    """The weights of a QLinear operator: codes, scale and zero point one after the other."""
    codes, scales, zeros = (reader.array(step, first + i) for i in range(3))
    centred = codes.astype(np.int64) - along(zeros.astype(np.int64), codes.ndim, axis)
    return Weights(centred, scales.reshape(-1), axis)


def qlinear_conv(reader: Reader, step: Step) -> Value:
    x, worth, w = reader.value(step, 0), reader.worth(step, 1, 2), coded(reader, step, 3, 0)
    sums = convolved(reader, step, x, worth, w, bias_of(reader, step, 8, len(w.codes)))
    return requantized(reader, sums, reader.worth(step, 6, 7), reader.ends(step, 7))


def qlinear_matmul(reader: Reader, step: Step) -> Value:
    a, worth = reader.value(step, 0), reader.worth(step, 1, 2)
    if isinstance(reader.known.get(step.inputs[3]), np.ndarray):
        w = turned(coded(reader, step, 3, 1))
        zeros = np.zeros(len(w.codes), np.int64)
        sums = product(reader, step, ops.Linear(), reader.natural(a), w, zeros, worth)
    else:
        sums = paired(reader, a, reader.value(step, 3), worth, reader.worth(step, 4, 5))
    return requantized(reader, sums, reader.worth(step, 6, 7), reader.ends(step, 7))


def qgemm(reader: Reader, step: Step) -> Value:
    a, worth, w = reader.value(step, 0), reader.worth(step, 1, 2), coded(reader, step, 3, 0)
    w = w if step.options.get("transB") else turned(w)
    bias = bias_of(reader, step, 6, len(w.codes))
    sums = product(reader, step, ops.Linear(), reader.natural(a), w, bias, worth)
    return requantized(reader, sums, reader.worth(step, 7, 8), reader.ends(step, 8))


# Everything else


def relu(reader: Reader, step: Step) -> Known:
    return clamped(reader, step, 0.0, np.inf)


def clip(reader: Reader, step: Step) -> Known:
    ends = [reader.number(step, i, e) for i, e in ((1, -np.inf), (2, np.inf))]
    return clamped(reader, step, *ends)


def clamped(reader: Reader, step: Step, lo: float, hi: float) -> Known:
    found = reader.known.get(step.inputs[0])
    if isinstance(found, Sums):
        return replace(found, lo=max(lo, found.lo), hi=min(hi, found.hi))
    x = reader.real(reader.value(step, 0))
    ends = (float(np.clip(e, -3e38, 3e38)) for e in (lo, hi))
    return reader.emit(ops.Relu() if (lo, hi) == (0, np.inf) else ops.Clamp(*ends), x, axes=x.axes)


def arithmetic(op: Op) -> Callable[[Reader, Step], Value]:
    def rule(reader: Reader, step: Step) -> Value:
        moving = [isinstance(reader.known.get(n), Value | Sums) for n in step.inputs[:2]]
        demand(any(moving) and len(moving) == 2, f"{step}: two operands, one from the input")
        first = reader.real(reader.value(step, 0 if moving[0] else 1))
        if all(moving):
            other: Value | str = reader.arranged(reader.real(reader.value(step, 1)), first.axes)
        else:
            other = placed(reader, step, reader.array(step, 1 if moving[0] else 0), first)
        pair = (first, other) if moving[0] else (other, first)
        return reader.emit(op, *pair, axes=first.axes)

    return rule


def placed(reader: Reader, step: Step, value: np.ndarray, like: Value) -> str:
    """A constant in the axes of a tensor that it is broadcast against."""
    rank = len(like.axes)
    if value.ndim > rank:
        demand(value.ndim == rank + 1 and len(value) == 1, f"{step}: a constant has no batch")
        value = value[0]
    value = value.reshape((1,) * (rank - value.ndim) + value.shape).transpose(like.axes)
    return reader.constant(value.astype(np.float32))


def max_pool(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.value(step, 0))
    kernel = tuple(step.options["kernel_shape"])
    stride, pads, dilation = window(step, len(x.axes) - 1, kernel)
    op = ops.MaxPool(kernel, stride, pads, dilation)
    return replace(reader.emit(op, replace(x, worth=None), axes=x.axes), worth=x.worth)


def average_pool(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.real(reader.value(step, 0)))
    kernel = tuple(step.options["kernel_shape"])
    stride, pads, _ = window(step, len(x.axes) - 1, kernel)
    include = int(bool(step.options.get("count_include_pad", 0)))
    return reader.emit(ops.AvgPool(kernel, stride, pads, include), x, axes=x.axes)


def global_average(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.real(reader.value(step, 0)))
    made = reader.emit(ops.Mean(), x, axes=(0,))
    shape = (*[1] * (len(x.axes) - 1), reader.types[made.name].shape[0])
    return reader.emit(ops.Reshape(shape), made, axes=x.axes)


def reshaped(reader: Reader, value: Value, shape: tuple[int, ...]) -> Value:
    value, worth = reader.natural(value), value.worth
    axes = tuple(range(len(shape)))
    return replace(
        reader.emit(ops.Reshape(shape), replace(value, worth=None), axes=axes), worth=worth
    )


def flatten(reader: Reader, step: Step) -> Value:
    demand(step.options.get("axis", 1) == 1, f"{step}: the batch stays in front")
    value = reader.value(step, 0)
    return reshaped(reader, value, (int(np.prod(reader.types[value.name].shape, dtype=object)),))


def reshape(reader: Reader, step: Step) -> Value:
    value, sides = reader.value(step, 0), [int(v) for v in reader.array(step, 1).reshape(-1)]
    total = int(np.prod(reader.types[value.name].shape, dtype=object))
    demand(bool(sides) and sides[0] in (-1, 0, 1), f"{step}: the batch stays in front")
    rest = sides[1:]
    demand(rest.count(-1) <= 1 and all(s > 0 or s == -1 for s in rest), f"{step}: sides {rest}")
    known = int(np.prod([s for s in rest if s > 0], dtype=object))
    demand(known > 0 and total % known == 0, f"{step}: {rest} holds as many as {total}")
    return reshaped(reader, value, tuple(total // known if s == -1 else s for s in rest))


def transpose(reader: Reader, step: Step) -> Value:
    value = reader.value(step, 0)
    order = step.options.get("perm")
    demand(order is not None and sorted(order) == list(range(len(value.axes) + 1)), f"{step}: perm")
    assert order is not None
    demand(order[0] == 0, f"{step}: the batch stays in front")
    return replace(value, axes=tuple(order.index(a + 1) - 1 for a in value.axes))


def concat(reader: Reader, step: Step) -> Value:
    values = [reader.value(step, i) for i in range(len(step.inputs))]
    demand(bool(values), f"{step}: it has operands")
    first = values[0]
    axis = step.options.get("axis", 0) % (len(first.axes) + 1)
    demand(axis > 0, f"{step}: the batch stays as it is")
    if len({v.worth for v in values}) > 1:
        values = [reader.real(v) for v in values]
    moved = [reader.arranged(v, first.axes) for v in values]
    op = ops.Concat(first.axes.index(axis - 1))
    made = reader.emit(op, *(replace(v, worth=None) for v in moved), axes=first.axes)
    return replace(made, worth=values[0].worth)


def identity(reader: Reader, step: Step) -> Known:
    demand(step.inputs[0] in reader.known, f"{step}: {step.inputs[0]!r:.80} is never made")
    return reader.known[step.inputs[0]]


RULES: dict[str, Callable[[Reader, Step], Known]] = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QGemm": qgemm,
    "Relu": relu,
    "Clip": clip,
    "Add": arithmetic(ops.Add()),
    "Sub": arithmetic(ops.Sub()),
    "Mul": arithmetic(ops.Mul()),
    "Div": arithmetic(ops.Div()),
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "Flatten": flatten,
    "Reshape": reshape,
    "Transpose": transpose,
    "Concat": concat,
    "Identity": identity,
    "Dropout": identity,
}
