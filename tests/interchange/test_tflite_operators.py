"""Every 8-bit operator against the runtimes whose arithmetic it claims, tie after tie.

Form D is TFLite Micro, form F is LiteRT with XNNPACK. Probes put accumulators into the bias, so
that each is exactly what is to be rounded, and half of the factors are powers of two.
"""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.spec import INT8, NARROW_INT8, Codes, Parameters, QuantSpec

pytest.importorskip("ai_edge_litert")
from lowbit.interchange import to_tflite

REQUANTIZE = {"D": ops.RequantizeD, "F": ops.RequantizeF}
ADD = {"D": ops.AddD, "F": ops.AddF}
FACTORS = (0.5, 0.25, 2.0**-7, 0.75, 0.37, 0.0123, 0.6, 3 / 64)
ONE = TensorType((1,), None, np.ones(1, np.float32))
forms = pytest.mark.parametrize("form", ["D", "F"])


def f32(value) -> float:
    return float(np.float32(value))


def constant(values, spec=None) -> TensorType:
    array = np.asarray(values)
    spec = spec or (
        None if array.dtype.kind == "f" else QuantSpec(int(array.min()), int(array.max()))
    )
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


def recode(form: str, name: str, scale: float, zero: int) -> tuple[Node, dict[str, TensorType]]:
    """Says what the codes of a graph's input are worth."""
    op = REQUANTIZE[form](scale, Codes(scale, zero))
    operands = (name, f"{name}.bias", "one")
    return Node(op, operands, f"{name}.codes"), {f"{name}.bias": constant([-zero]), "one": ONE}


def agree(peer, graph: Graph, *inputs: np.ndarray) -> int:
    """Runs both; the number of outputs compared."""
    want = evaluate(graph, *inputs)[0]
    got = peer(to_tflite(graph, len(inputs[0])), *inputs)
    np.testing.assert_array_equal(got, want)
    return want.size


def product_graph(form, op, w, bias, factors, shape, clamp=(-128, 127), zeros=(3, -5)) -> Graph:
    entry, constants = recode(form, "x", f32(0.05), zeros[0])
    scale = f32(0.3)
    scales = (np.asarray(factors) * scale / f32(0.05)).astype(np.float32)
    requantize = REQUANTIZE[form](f32(0.05), Codes(scale, zeros[1], *clamp))
    constants |= {
        "w": constant(w, NARROW_INT8),
        "bias": constant(bias),
        "scales": constant(scales),
    }
    nodes = (
        entry,
        Node(op, ("x.codes", "w"), "sums"),
        Node(requantize, ("sums", "bias", "scales"), "y"),
    )
    return Graph({"x": TensorType(shape, INT8)}, constants, nodes, ("y",))


def ties(count: int, seed: int) -> np.ndarray:
    """Accumulators around half steps of every factor, and anywhere."""
    rng = np.random.default_rng(seed)
    near = rng.integers(-300, 300, count) * 64 + rng.integers(-2, 3, count) * 32
    return np.where(rng.random(count) < 0.7, near, rng.integers(-40000, 40000, count))


@forms
@pytest.mark.parametrize("kind", ["linear", "conv", "depthwise"])
def test_requantization_at_ties(peers, form, kind):
    count, rng = 2048, np.random.default_rng(7)
    factors = np.tile(FACTORS, count // len(FACTORS))
    x = rng.integers(-128, 128, (4, 1, 1, count if kind == "depthwise" else 1)).astype(np.int8)
    x[0] = 3  # the zero point: the bias alone
    if kind == "linear":
        op, w, x = ops.Linear(), np.ones((count, 1), int), x.reshape(4, 1)
    else:
        groups = count if kind == "depthwise" else 1
        op = ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1), groups)
        w = rng.integers(-127, 128, (count, 1, 1, 1))
    w[: count // 2] = 1
    graph = product_graph(form, op, w, ties(count, 1), factors, x.shape[1:])
    assert agree(peers[form], graph, x) == 4 * count


@forms
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pads", [(0, 0), (1, 1), (0, 1)])
@pytest.mark.parametrize("groups", [1, 8])
def test_convolution_of_images(peers, form, stride, pads, groups):
    rng = np.random.default_rng(stride)
    w = rng.integers(-127, 128, (8, 3, 3, 8 // groups))
    bias = rng.integers(-5000, 5000, 8) - 3 * w.reshape(8, -1).sum(1)
    op = ops.Conv((stride, stride), (pads, pads), (1, 1), groups, pad_value=3 if any(pads) else 0)
    factors = np.resize((0.002, 0.0013, 2.0**-9, 0.004), 8)
    graph = product_graph(form, op, w, bias, factors, (9, 10, 8), clamp=(-5, 127))
    agree(peers[form], graph, rng.integers(-128, 128, (3, 9, 10, 8)).astype(np.int8))


SCALES = ((0.05, 0.05, 0.1), (0.02, 0.05, 0.04), (0.11, 0.013, 0.07), (0.25, 0.5, 0.5))


def pair(form: str, scales, zeros):
    entries = [recode(form, n, s, z) for n, s, z in zip(("a", "b"), scales, zeros, strict=True)]
    grid = np.stack(np.meshgrid(*[np.arange(-128, 128)] * 2), -1).astype(np.int8)
    inputs = {n: TensorType((256, 256, 1), INT8) for n in ("a", "b")}
    return entries, inputs, (grid[None, ..., :1], grid[None, ..., 1:])


@forms
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("scales", SCALES)
def test_sums_of_all_pairs_of_codes(peers, form, sign, scales):
    a, b, out = map(f32, scales)
    entries, inputs, grids = pair(form, (a, b), (-3, 7))
    op = ADD[form](Parameters(a, -3), Parameters(b, 7), sign, Codes(out, -11))
    nodes = (*(node for node, _ in entries), Node(op, ("a.codes", "b.codes"), "y"))
    graph = Graph(inputs, entries[0][1] | entries[1][1], nodes, ("y",))
    assert agree(peers[form], graph, *grids) == 2**16


@forms
@pytest.mark.parametrize("scales", SCALES)
def test_products_of_all_pairs_of_codes(peers, form, scales):
    a, b, out = map(f32, scales)
    entries, inputs, grids = pair(form, (a, b), (-3, 7))
    nodes = (
        *(node for node, _ in entries),
        Node(ops.MulCodes((-3, 7)), ("a.codes", "b.codes"), "product"),
        Node(REQUANTIZE[form](a, Codes(out, -11)), ("product", "zero", "b.scale"), "y"),
    )
    constants = entries[0][1] | entries[1][1]
    constants |= {"zero": constant([0]), "b.scale": constant(np.array([b], np.float32))}
    assert agree(peers[form], Graph(inputs, constants, nodes, ("y",)), *grids) == 2**16


@forms
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 1, 1), (5, 5, 0)])
def test_means_of_codes(peers, form, window):
    kernel, stride, pad = window
    entry, constants = recode(form, "x", f32(0.05), 4)
    op = ops.MeanCodes((kernel, kernel), (stride, stride), ((pad, pad), (pad, pad)))
    nodes = (entry, Node(op, ("x.codes",), "y"))
    graph = Graph({"x": TensorType((10, 10, 17), INT8)}, constants, nodes, ("y",))
    x = np.random.default_rng(kernel).integers(-128, 128, (5, 10, 10, 17)).astype(np.int8)
    agree(peers[form], graph, x)


@forms
def test_quantization_of_floats_at_ties(peers, form):
    quantize = {"D": ops.QuantizeD, "F": ops.QuantizeF}[form]
    x = (np.arange(-300, 300, dtype=np.float32) / 2 * np.float32(0.1)).reshape(1, 600)
    graph = Graph(
        {"x": TensorType((600,))},
        {},
        (Node(quantize(Codes(f32(0.1), -9)), ("x",), "y"),),
        ("y",),
    )
    agree(peers[form], graph, x)


@pytest.mark.slow
@forms
def test_a_million_requantizations(peers, form):
    count, rng = 2048, np.random.default_rng(11)
    factors = np.tile(FACTORS, count // len(FACTORS))
    w = rng.choice([-1, 0, 1, 64], (count, 1))
    graph = product_graph(form, ops.Linear(), w, ties(count, 2), factors, (1,))
    x = rng.integers(-128, 128, (512, 1)).astype(np.int8)
    assert agree(peers[form], graph, x) == 2**20
