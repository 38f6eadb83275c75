"""Every 8-bit operator against the runtimes whose arithmetic it claims, tie after tie.

Form D is TFLite Micro, form F is LiteRT with XNNPACK and ONNX Runtime, form W (activations of 16
bits) TFLite Micro. `pytest -m slow tests/interchange` compares more than a million outputs of each
operator and form; the fast tests some thousands of each.
"""

from collections.abc import Callable

import numpy as np
import operator_cases as cases
import pytest
from operator_cases import SCALES, Case

from lowbit.interchange import peers
from lowbit.ir import Graph, evaluate, ops

MILLION = 10**6
UNDILATED = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))


def hardswish(x):
    return x * np.clip(x + 3, 0, 6) / 6


# name: the forms, and case(form, much)
OPERATORS: dict[str, tuple[str, Callable[[str, bool], list[Case]]]] = {
    **{
        kind: ("DFW", lambda form, much, kind=kind: [cases.probes(form, kind, 512 if much else 4)])
        for kind in ("linear", "conv", "depthwise")
    },
    **{
        f"windows of stride {stride} padded by {pads}, {groups} groups": (
            "DFW",
            lambda form, much, stride=stride, pads=pads, groups=groups: [
                cases.windows(
                    form, (100 if stride == 1 else 420) if much else 2, stride, pads, groups
                )
            ],
        )
        for stride, pads, groups in (
            (1, (1, 1), 1),
            (2, (0, 1), 1),
            (1, (1, 1), 16),
            (2, (0, 0), 16),
        )
    },
    "transposed": ("DFW", lambda form, much: [cases.transposed(form, 200 if much else 2)]),
    "add": ("DFW", lambda f, much: [cases.sums(f, 1, s, 4 if much else 1) for s in SCALES]),
    "sub": ("DFW", lambda f, much: [cases.sums(f, -1, s, 4 if much else 1) for s in SCALES]),
    "mul": ("DFW", lambda f, much: [cases.factors(f, s, 4 if much else 1) for s in SCALES]),
    "average pool": (
        "DFW",
        lambda f, much: [
            cases.mean(f, 900 if much else 5, *w) for w in ((2, 2, 0), (3, 1, 1), (5, 5, 0))
        ],
    ),
    "mean": ("DFW", lambda f, much: [cases.mean(f, 59_000 if much else 5, 3, 1, 0, side=3)]),
    "max pool": ("DFW", lambda f, m: [cases.moved(f, 4000 if m else 4, ops.MaxPool(*UNDILATED))]),
    "pad": (
        "DFW",
        lambda f, much: [cases.moved(f, 700 if much else 4, ops.Pad(((1, 2), (0, 3)), 4))],
    ),
    "nearest": (
        "DF",
        lambda f, much: [cases.moved(f, 260 if much else 4, ops.ResizeNearest((16, 16)))],
    ),
    "slice": ("DFW", lambda f, much: [cases.moved(f, 2000 if much else 4, ops.Slice(1, 0, 8, 2))]),
    "concatenation": ("DFW", lambda f, much: [cases.joined(f, 520 if much else 4)]),
    **{
        name: ("DF", lambda f, much, real=real: [cases.function(f, 1000 if much else 4, real)])
        for name, real in {
            "leaky relu": lambda x: np.where(x > 0, x, 0.1 * x),
            "hard-swish": hardswish,
            "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
            "tanh": np.tanh,
        }.items()
    },
    "softmax": (
        "DF",
        lambda f, much: [
            cases.softmax(f, 210_000 // n if much else 12, n, s)
            for n, s in ((2, 0.37), (10, 0.1), (100, 0.02), (511, 0.001), (10, 2.0))
        ],
    ),
    "quantize": ("DFW", lambda f, much: [cases.quantized(f, 1800 if much else 8)]),
    "requantize": ("D", lambda f, much: [cases.recoded(f, 1000 if much else 4)]),
}
TFLITE = {"D": peers.tflite_micro, "F": peers.litert, "W": peers.tflite_micro}
PAIRS = [(name, form) for name, (forms, _) in OPERATORS.items() for form in forms]
# Of ONNX: what it has no quantized form of, or what the writer does not write.
NOT_ONNX = {"transposed", "softmax"}
ONNX = [name for name, (forms, _) in OPERATORS.items() if "F" in forms and name not in NOT_ONNX]


def compare(peer: Callable, written: bytes, graph: Graph, inputs) -> int:
    """Runs both; the number of outputs compared."""
    want = evaluate(graph, *inputs)[0]
    got = peer(written, *inputs)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    return want.size


def tflite(name: str, form: str, much: bool) -> int:
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite_micro")
    from lowbit.interchange import to_tflite

    return sum(
        compare(TFLITE[form], to_tflite(graph, len(inputs[0])), graph, inputs)
        for graph, inputs in OPERATORS[name][1](form, much)
    )


def onnx(name: str, much: bool) -> int:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from lowbit.interchange import to_onnx

    return sum(
        compare(peers.onnxruntime, to_onnx(graph, exact=True), graph, inputs)
        for graph, inputs in OPERATORS[name][1]("F", much)
    )


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_tflite(name, form):
    assert tflite(name, form, much=False) > 0


@pytest.mark.parametrize("name", ONNX)
def test_onnx(name):
    assert onnx(name, much=False) > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_a_million_of_tflite(name, form):
    assert tflite(name, form, much=True) >= MILLION


@pytest.mark.slow
@pytest.mark.parametrize("name", ONNX)
def test_a_million_of_onnx(name):
    assert onnx(name, much=True) >= MILLION


def test_matrices_of_codes():
    """TensorFlow Lite's batched product is not written."""
    pytest.importorskip("onnxruntime")
    from lowbit.interchange import to_onnx

    graph, inputs = cases.multiplied("F", 2)
    assert compare(peers.onnxruntime, to_onnx(graph, exact=True), graph, inputs) == 2**13


@pytest.mark.slow
def test_a_million_of_matrices_of_codes():
    pytest.importorskip("onnxruntime")
    from lowbit.interchange import to_onnx

    graph, inputs = cases.multiplied("F", 250)
    assert compare(peers.onnxruntime, to_onnx(graph, exact=True), graph, inputs) >= MILLION


@pytest.mark.parametrize("name", ["add", "sub", "mul", "average pool"])
def test_onnx_without_exactness_is_a_code_apart_at_ties(name):
    """What ONNX Runtime computes in floats: at most a quarter of the codes, here of many ties."""
    pytest.importorskip("onnxruntime")
    from lowbit.interchange import to_onnx

    for graph, inputs in OPERATORS[name][1]("F", False):
        apart = abs(
            peers.onnxruntime(to_onnx(graph), *inputs).astype(int) - evaluate(graph, *inputs)[0]
        )
        assert apart.max() <= 1
        assert (apart > 0).mean() <= 0.25
