"""Graphs of one operator each, and inputs that put as many results as can be on ties.

The fast tests run a few of them on a little data, the slow tier all on more than a million
outputs. Probes put accumulators into the bias, so that each is exactly what is to be rounded, and
half of the factors are powers of two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lowbit.ir import Graph, Node, TensorType, ops, storage
from lowbit.spec import INT8, NARROW_INT8, Codes, Parameters, QuantSpec, signed

FORMS = ("D", "F", "W")  # W: 16-bit activations
REQUANTIZE = {"D": ops.RequantizeD, "F": ops.RequantizeF, "W": ops.RequantizeWide}
ADD = {"D": ops.AddD, "F": ops.AddF, "W": ops.AddD}
QUANTIZE = {"D": ops.QuantizeD, "F": ops.QuantizeF, "W": ops.QuantizeD}
SOFTMAXES = {"D": ops.SoftmaxD, "F": ops.SoftmaxF}
FACTORS = (0.5, 0.25, 2.0**-7, 0.75, 0.37, 0.0123, 0.6, 3 / 64)
SCALES = ((0.05, 0.05, 0.1), (0.02, 0.05, 0.04), (0.11, 0.013, 0.07), (0.25, 0.5, 0.5))
ONE = TensorType((1,), None, np.ones(1, np.float32))
Case = tuple[Graph, tuple[np.ndarray, ...]]


def f32(value) -> float:
    return float(np.float32(value))


def constant(values, spec: QuantSpec | None = None) -> TensorType:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return TensorType(array.shape, None, array.astype(np.float32))
    spec = spec or QuantSpec(int(array.min()), int(array.max()))
    return TensorType(array.shape, spec, array.astype(storage(spec)))


STEP = f32(0.05)


@dataclass(frozen=True)
class Arithmetic:
    """One of the forms: what it makes of operators and of data."""

    form: str

    @property
    def spec(self) -> QuantSpec:
        return signed(16) if self.form == "W" else INT8

    def zero(self, value: int) -> int:
        return 0 if self.form == "W" else value

    def codes(self, scale: float, zero: int = 0, clamp: tuple[int, int] | None = None) -> Codes:
        return Codes(scale, self.zero(zero), *(clamp or (self.spec.lo, self.spec.hi)))

    def random(self, rng, *shape: int) -> np.ndarray:
        return rng.integers(self.spec.lo, self.spec.hi + 1, shape).astype(storage(self.spec))

    def entry(self, name: str, scale: float, zero: int) -> tuple[Node, dict[str, TensorType]]:
        """Says what the codes of a graph's input are worth."""
        form = ops.RequantizeF if self.form == "F" else ops.RequantizeD
        operands = (name, f"{name}.bias", "one")
        constants = {f"{name}.bias": constant([-self.zero(zero)]), "one": ONE}
        return Node(form(scale, self.codes(scale, zero)), operands, f"{name}.codes"), constants

    def unary(self, node: Node, shape, scale: float = STEP, zero: int = 4, **constants) -> Graph:
        """A graph of one operator on the codes of `x`."""
        entry, known = self.entry("x", scale, zero)
        inputs = {"x": TensorType(shape, self.spec)}
        return Graph(inputs, known | constants, (entry, node), (node.output,))

    def product(self, op, w, bias, factors, shape, clamp=None, zeros=(3, -5)) -> Graph:
        """Sums with a weight, requantized by one factor a channel."""
        entry, constants = self.entry("x", f32(0.05), zeros[0])
        scale = f32(0.3)
        scales = (np.asarray(factors) * scale / f32(0.05)).astype(np.float32)
        constants |= {
            "w": constant(w, NARROW_INT8),
            "bias": constant(bias),
            "scales": constant(scales),
        }
        end = REQUANTIZE[self.form](f32(0.05), self.codes(scale, zeros[1], clamp))
        if self.form == "W":
            sums = ("upper", "lower")
            middle = [Node(ops.Byte(i), ("x.codes",), f"byte{i}") for i in (0, 1)]
            middle += [Node(op, (f"byte{i}", "w"), n) for i, n in ((0, "lower"), (1, "upper"))]
        else:
            sums, middle = ("sums",), [Node(op, ("x.codes", "w"), "sums")]
        nodes = (entry, *middle, Node(end, (*sums, "bias", "scales"), "y"))
        return Graph({"x": TensorType(shape, self.spec)}, constants, nodes, ("y",))

    def pair(self, nodes, shape, scales, constants=()) -> Graph:
        """A graph on the codes of `a` and `b`, of zero points -3 and 7."""
        entries = [self.entry(n, s, z) for n, s, z in zip("ab", scales, (-3, 7), strict=False)]
        known = entries[0][1] | entries[1][1] | dict(constants)
        inputs = {n: TensorType(shape, self.spec) for n in "ab"}
        return Graph(inputs, known, (*(node for node, _ in entries), *nodes), ("y",))


def ties(count: int, seed: int) -> np.ndarray:
    """Accumulators around half steps of every factor, and anywhere."""
    rng = np.random.default_rng(seed)
    near = rng.integers(-300, 300, count) * 64 + rng.integers(-2, 3, count) * 32
    return np.where(rng.random(count) < 0.7, near, rng.integers(-40000, 40000, count))


def probes(form: str, kind: str, rows: int, seed: int = 7) -> Case:
    """`rows` times 2,048 accumulators of a linear layer, a convolution or a depthwise one."""
    a, count, rng = Arithmetic(form), 2048, np.random.default_rng(seed)
    factors = np.tile(FACTORS, count // len(FACTORS))
    factors = factors * 2.0**-6 if form == "W" else factors
    x = a.random(rng, rows, 1, 1, count if kind == "depthwise" else 1)
    x[: rows // 4 + 1] = a.zero(3)  # the zero point: the bias alone
    if kind == "linear":
        op, w, x = ops.Linear(), rng.choice([-1, 0, 1, 64], (count, 1)), x.reshape(rows, 1)
    else:
        groups = count if kind == "depthwise" else 1
        op = ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1), groups)
        w = rng.integers(-127, 128, (count, 1, 1, 1))
    w[: count // 2] = 1
    bias = ties(count, seed + 1) * (64 if form == "W" else 1)
    return a.product(op, w, bias, factors, x.shape[1:]), (x,)


def windows(form: str, images: int, stride: int, pads, groups: int, outs: int = 32) -> Case:
    """3x3 windows over images of 16 channels, padded, with an activation's clamp."""
    a, rng = Arithmetic(form), np.random.default_rng(stride)
    w = rng.integers(-127, 128, (outs, 3, 3, 16 // groups))
    zero = a.zero(3)
    bias = rng.integers(-5000, 5000, outs) - zero * w.reshape(outs, -1).sum(1)
    op = ops.Conv((stride, stride), (pads, pads), (1, 1), groups, zero if any(pads) else 0)
    factors = np.resize((0.002, 0.0013, 2.0**-9, 0.004), outs)
    clamp = (a.zero(-5), a.spec.hi)
    shape = (19, 20, 16)
    graph = a.product(op, w, bias, factors, shape, clamp)
    return graph, (a.random(rng, images, *shape),)


def transposed(form: str, images: int) -> Case:
    """A convolution over codes with zero points between them."""
    a, rng = Arithmetic(form), np.random.default_rng(5)
    w = rng.integers(-127, 128, (16, 3, 3, 8))
    entry = a.product(
        ops.Conv((1, 1), ((2, 2), (2, 2)), (1, 1), 1, a.zero(3)),
        *(w, rng.integers(-5000, 5000, 16) - a.zero(3) * w.reshape(16, -1).sum(1)),
        *(np.resize((0.002, 0.0013, 2.0**-9, 0.004), 16), (9, 10, 8)),
    )
    first, *rest = entry.nodes
    spread = Node(ops.Spread((2, 2), a.zero(3)), ("x.codes",), "spread")
    moved = [
        Node(n.op, tuple("spread" if i == "x.codes" else i for i in n.inputs), n.output)
        for n in rest
    ]
    graph = Graph(entry.inputs, entry.constants, (first, spread, *moved), entry.outputs)
    return graph, (a.random(rng, images, 9, 10, 8),)


def grids(a: Arithmetic, rounds: int) -> tuple[tuple[int, ...], tuple[np.ndarray, ...]]:
    """All pairs of 8-bit codes, or as many random ones of 16."""
    if a.form == "W":
        rng = np.random.default_rng(3)
        return (256, 256, 1), tuple(a.random(rng, rounds, 256, 256, 1) for _ in "ab")
    both = np.stack(np.meshgrid(*[np.arange(-128, 128)] * 2), -1).astype(np.int8)
    return (256, 256, 1), tuple(np.repeat(both[None, ..., i : i + 1], rounds, 0) for i in (0, 1))


def sums(form: str, sign: int, scales, rounds: int = 1) -> Case:
    a = Arithmetic(form)
    x, y, out = map(f32, scales)
    shape, inputs = grids(a, rounds)
    pair = Parameters(x, a.zero(-3)), Parameters(y, a.zero(7))
    op = ADD[form](*pair, sign, a.codes(out, -11))
    return a.pair([Node(op, ("a.codes", "b.codes"), "y")], shape, (x, y)), inputs


def factors(form: str, scales, rounds: int = 1) -> Case:
    a = Arithmetic(form)
    x, y, out = map(f32, scales)
    shape, inputs = grids(a, rounds)
    end = ops.RequantizeF if form == "F" else ops.RequantizeD
    nodes = [
        Node(ops.MulCodes((a.zero(-3), a.zero(7))), ("a.codes", "b.codes"), "product"),
        Node(
            end(x, a.codes(out * (512 if form == "W" else 1), -11)),
            ("product", "none", "b.scale"),
            "y",
        ),
    ]
    known = {"none": constant([0]), "b.scale": constant(np.array([y], np.float32))}
    return a.pair(nodes, shape, (x, y), known), inputs


def mean(form: str, images: int, kernel: int, stride: int, pad: int, side: int = 10) -> Case:
    a, shape = Arithmetic(form), (side, side, 17)
    op = ops.MeanCodes((kernel, kernel), (stride, stride), ((pad, pad), (pad, pad)))
    x = a.random(np.random.default_rng(kernel), images, *shape)
    return a.unary(Node(op, ("x.codes",), "y"), shape), (x,)


def moved(form: str, images: int, op) -> Case:
    """What keeps scale and zero point."""
    a, shape = Arithmetic(form), (8, 8, 16)
    x = a.random(np.random.default_rng(1), images, *shape)
    return a.unary(Node(op, ("x.codes",), "y"), shape), (x,)


def joined(form: str, images: int) -> Case:
    a, rng = Arithmetic(form), np.random.default_rng(2)
    shape, scale = (8, 8, 16), f32(0.05)
    entries = [a.entry(n, scale, -3) for n in "ab"]
    nodes = (*(n for n, _ in entries), Node(ops.Concat(2), ("a.codes", "b.codes"), "y"))
    inputs = {n: TensorType(shape, a.spec) for n in "ab"}
    graph = Graph(inputs, entries[0][1] | entries[1][1], nodes, ("y",))
    return graph, tuple(a.random(rng, images, *shape) for _ in "ab")


def function(form: str, images: int, real: Callable[[np.ndarray], np.ndarray]) -> Case:
    """A table of a function of one operand."""
    a, shape = Arithmetic(form), (8, 8, 16)
    x = (np.arange(a.spec.lo, a.spec.hi + 1) - a.zero(4)) * f32(0.05)
    y = np.clip(np.rint(real(x) / 0.05), a.spec.lo, a.spec.hi).astype(np.int64)
    table = {"table": constant(y[None], a.spec)}
    node = Node(ops.Lookup(a.spec.lo), ("x.codes", "table"), "y")
    values = a.random(np.random.default_rng(3), images, *shape)
    return a.unary(node, shape, **table), (values,)


def softmax(form: str, rows: int, length: int, scale: float) -> Case:
    """Anything, near equals, and rows of one value: in all, up to 511 effective terms."""
    a, rng = Arithmetic(form), np.random.default_rng(length)
    x = a.random(rng, rows, length)
    x[::3] = rng.integers(-5, 5, x[::3].shape)
    x[1::3] = rng.integers(-128, 128, (len(x[1::3]), 1))
    scale = f32(scale)
    node = Node(SOFTMAXES[form](scale), ("x.codes",), "y")
    return a.unary(node, (length,), scale), (x,)


def quantized(form: str, rows: int) -> Case:
    """Floats at ties and beside them."""
    a, scale = Arithmetic(form), f32(0.1)
    half = np.arange(-300, 300, dtype=np.float32) / 2 * np.float32(scale)
    rng = np.random.default_rng(4)
    beside = np.nextafter(half, rng.choice([-9, 9], (rows, 600)).astype(np.float32))
    x = np.where(rng.random((rows, 600)) < 0.5, half, beside.astype(np.float32))
    x[rows // 2 :] = rng.normal(0, 30, x[rows // 2 :].shape)
    node = Node(QUANTIZE[form](a.codes(scale, -9)), ("x",), "y")
    return Graph({"x": TensorType((600,))}, {}, (node,), ("y",)), (x.astype(np.float32),)


def recoded(form: str, images: int) -> Case:
    """Codes to codes of another scale and zero point."""
    a, shape = Arithmetic(form), (8, 8, 16)
    end = (ops.RequantizeF if form == "F" else ops.RequantizeD)(f32(0.05), a.codes(f32(0.04), -7))
    node = Node(end, ("x.codes", "back", "one"), "y")
    x = a.random(np.random.default_rng(6), images, *shape)
    return a.unary(node, shape, back=constant([-a.zero(4)])), (x,)


def multiplied(form: str, batches: int) -> Case:
    """Products of two tensors that both depend on the input."""
    a, rng = Arithmetic(form), np.random.default_rng(8)
    x, y = f32(0.05), f32(0.02)
    nodes = [
        Node(ops.MatMul((a.zero(-3), a.zero(7))), ("a.codes", "b.codes"), "product"),
        Node(REQUANTIZE[form](x, a.codes(f32(0.6), -11)), ("product", "none", "b.scale"), "y"),
    ]
    known = {"none": constant([0]), "b.scale": constant(np.array([y], np.float32))}
    return a.pair(nodes, (64, 64), (x, y), known), tuple(
        a.random(rng, batches, 64, 64) for _ in "ab"
    )
