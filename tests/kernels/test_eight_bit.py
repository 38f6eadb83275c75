"""Instructions on 8-bit codes: compiled, reference and the operators' definitions agree."""

import numpy as np
import pytest

from lowbit.ir import Graph, InvalidGraph, Node, TensorType, evaluate, ops, verify
from lowbit.ir.ops import fixed_point
from lowbit.runtime import Network
from lowbit.spec import INT8, NARROW_INT8, Codes, Parameters, QuantSpec, signed

CODES16 = Codes(0.05, 0, -32768, 32767)
WIDTHS = (1, 15, 16, 17, 65)
CODES, OPERANDS = Codes(0.05, -7), (Parameters(0.02, 3), Parameters(0.07, -9))


def constant(values, spec=None) -> TensorType:
    array = np.asarray(values)
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


def check(graph: Graph, *inputs: np.ndarray) -> None:
    (want,) = evaluate(graph, *inputs)
    for kernel in ("reference", None):
        got = Network(graph, batch=2, kernel=kernel)(*inputs)
        np.testing.assert_array_equal(got, want, err_msg=str(kernel))


@pytest.mark.parametrize("op", [ops.RequantizeD, ops.RequantizeF])
@pytest.mark.parametrize("width", WIDTHS)
def test_requantization(op, width):
    rng = np.random.default_rng(width)
    wide = QuantSpec(-(2**20), 2**20)
    factors = (2.0 ** rng.integers(-12, 3, width) * rng.choice([1, 0.75, 0.6], width)) * 0.05
    constants = {
        "bias": constant(rng.integers(-500, 500, width), QuantSpec(-500, 500)),
        "scales": constant(factors.astype(np.float32)),
    }
    node = Node(op(1.0, CODES), ("x", "bias", "scales"), "y")
    graph = Graph({"x": TensorType((40, width), wide)}, constants, (node,), ("y",))
    x = rng.integers(-2000, 2000, (3, 40, width)) * 2 ** rng.integers(0, 9, (3, 40, width))
    check(graph, x.astype(np.int32))


@pytest.mark.parametrize("op", [ops.QuantizeD, ops.QuantizeF])
@pytest.mark.parametrize("width", WIDTHS)
def test_quantization_of_floats(op, width):
    x = np.arange(-200, 200, 0.25, np.float32).repeat(width).reshape(2, -1, width)
    x = np.concatenate([x, np.full((1, *x.shape[1:]), 3e38, np.float32)])
    graph = Graph(
        {"x": TensorType(x.shape[1:])},
        {},
        (Node(op(Codes(0.5, 3, -128, 120)), ("x",), "y"),),
        ("y",),
    )
    check(graph, x)


PAIRS = (
    ops.AddD(*OPERANDS, 1, CODES),
    ops.AddD(*OPERANDS, -1, CODES),
    ops.AddF(*OPERANDS, 1, CODES),
    ops.AddF(*OPERANDS, -1, CODES),
    ops.MulCodes((3, -9)),
)


@pytest.mark.parametrize("op", PAIRS, ids=lambda op: type(op).__name__)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("carried", ["first", "second", "spread", "itself"])
def test_pairs_of_codes(op, width, carried):
    rng = np.random.default_rng(width)
    shapes = {"a": (6, 7, width), "b": (1, 1, width) if carried == "spread" else (6, 7, width)}
    order = {"second": ("b", "a"), "itself": ("a", "a")}.get(carried, ("a", "b"))
    shapes = {name: shapes[name] for name in dict.fromkeys(order)}
    nodes = (Node(op, order, "y"),)
    if carried == "second":  # the chain comes from the second operand
        nodes = (
            Node(ops.MaxPool((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)), ("a",), "pooled"),
            Node(op, ("b", "pooled"), "y"),
        )
    graph = Graph({n: TensorType(s, INT8) for n, s in shapes.items()}, {}, nodes, ("y",))
    check(graph, *(rng.integers(-128, 128, (3, *s)).astype(np.int8) for s in shapes.values()))


@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (7, 1, 0)])
@pytest.mark.parametrize("width", WIDTHS)
def test_means_of_codes(window, width):
    kernel, stride, pad = window
    op = ops.MeanCodes((kernel, kernel), (stride, stride), ((pad, pad), (pad, pad)))
    graph = Graph({"x": TensorType((9, 8, width), INT8)}, {}, (Node(op, ("x",), "y"),), ("y",))
    x = np.random.default_rng(width).integers(-128, 128, (3, 9, 8, width)).astype(np.int8)
    check(graph, x)


def test_the_fixed_point_product_is_the_papers():
    """Against exact fractions, at and around every tie; ties of the first rounding go up."""
    rng = np.random.default_rng(0)
    for real in (0.5, 0.25, 0.3, 2.0**-20, 0.999999, 3.7, 1.0):
        m, e = fixed_point.multiplier(real)
        x = np.concatenate([rng.integers(-(2**20), 2**20, 500), np.arange(-40, 40)])
        for value, got in zip(x, fixed_point.multiply(x, m, e), strict=True):
            high = ((int(value) << max(e, 0)) * m + 2**30) >> 31
            size, half = 1 << max(-e, 0), (1 << max(-e, 0)) // 2
            want = (abs(high) + half) // size * (1 if high >= 0 else -1)
            assert got == want, (real, value)


@pytest.mark.parametrize("width", WIDTHS)
def test_bytes_of_codes_and_their_sums(width):
    """x = 256 h + l, and the requantization of products of either byte."""
    rng = np.random.default_rng(width)
    wide, codes = signed(16), Codes(0.003, 0, -32768, 32767)
    sums = QuantSpec(-(2**28), 2**28)
    factors = 2.0 ** rng.integers(-16, -9, width) * rng.choice([1, 0.75, 0.6], width)
    constants = {
        "bias": constant(rng.integers(-(2**27), 2**27, width), QuantSpec(-(2**27), 2**27)),
        "scales": constant(factors.astype(np.float32)),
        "w": constant(rng.integers(-127, 128, (width, 8)), NARROW_INT8),
    }
    nodes = (
        Node(ops.Byte(0), ("x",), "l"),
        Node(ops.Byte(1), ("x",), "h"),
        Node(ops.Linear(), ("l", "w"), "lower"),
        Node(ops.Linear(), ("h", "w"), "upper"),
        Node(ops.RequantizeWide(0.005, codes), ("upper", "lower", "bias", "scales"), "y"),
        Node(ops.RequantizeWide(0.005, codes), ("a", "b", "bias", "scales"), "z"),
    )
    inputs = {"x": TensorType((7, 8), wide), **dict.fromkeys("ab", TensorType((7, width), sums))}
    x = rng.integers(-32768, 32768, (3, 7, 8)).astype(np.int16)
    a, b = (rng.integers(-(2**28), 2**28, (3, 7, width)).astype(np.int32) for _ in "ab")
    for output in "yz":
        graph = Graph(inputs, constants, nodes, (output,))
        (want,) = evaluate(graph, x, a, b)
        assert want.min() < want.max()
        for kernel in ("reference", None):
            got = Network(graph, batch=2, kernel=kernel)(x, a, b)
            np.testing.assert_array_equal(got, want, err_msg=str(kernel))


def test_sums_of_48_bits_are_proved():
    scales = constant(np.array([0.5], np.float32))
    constants = {"bias": constant([0], QuantSpec(0, 0)), "scales": scales}
    codes = Codes(1.0, 0, -32768, 32767)

    def graph(largest: int, scale: float) -> Graph:
        inputs = dict.fromkeys("ab", TensorType((4,), QuantSpec(-largest, largest)))
        node = Node(ops.RequantizeWide(scale, codes), ("a", "b", "bias", "scales"), "y")
        return Graph(inputs, constants, (node,), ("y",))

    verify(graph(2**31 - 1, 2.0**-8))
    with pytest.raises(InvalidGraph, match="rescaled sum fits int32"):
        verify(graph(2**31 - 1, 2.0**-6))
    with pytest.raises(InvalidGraph, match="below 2"):
        verify(graph(3, 2.0**20))


@pytest.mark.parametrize("op", [ops.AddD(Parameters(0.02, 0), Parameters(0.07, 0), -1, CODES16)])
@pytest.mark.parametrize("width", [1, 17])
def test_sums_of_16_bits(op, width):
    rng = np.random.default_rng(width)
    shape = TensorType((6, 7, width), signed(16))
    graph = Graph(dict.fromkeys("ab", shape), {}, (Node(op, ("a", "b"), "y"),), ("y",))
    check(graph, *(rng.integers(-32768, 32768, (3, 6, 7, width)).astype(np.int16) for _ in "ab"))
