"""Softmax of codes: compiled, reference and the operators' definitions agree; and with exp."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowbit.ir import Graph, InvalidGraph, Node, TensorType, evaluate, ops, verify
from lowbit.ir.ops import fixed_functions
from lowbit.runtime import Network
from lowbit.spec import INT8, unsigned

FORMS = (ops.SoftmaxD, ops.SoftmaxF)
forms = pytest.mark.parametrize("op", FORMS)


def graph_of(op, scale: float, *shape: int, spec=INT8) -> Graph:
    return Graph({"x": TensorType(shape, spec)}, {}, (Node(op(scale), ("x",), "y"),), ("y",))


def rows(length: int) -> np.ndarray:
    """Anything, near equals, all equal, and one above the rest."""
    rng = np.random.default_rng(length)
    x = rng.integers(-128, 128, (4, 5, length))
    x[1] = rng.integers(-4, 4, (5, length))
    x[2] = rng.integers(-128, 128, (5, 1))
    x[3] = -128
    x[3, :, 0] = rng.integers(-128, 128, 5)
    return x.astype(np.int8)


@forms
@pytest.mark.parametrize("scale", [2.0**-20, 0.003, 0.1, 1.0, 15.9])
@pytest.mark.parametrize("length", [1, 2, 3, 100, 1000])
def test_kernels_are_the_definition_and_that_is_near_a_softmax(op, scale, length):
    graph, x = graph_of(op, scale, 5, length), rows(length)
    (want,) = evaluate(graph, x)
    for kernel in ("reference", None):
        np.testing.assert_array_equal(Network(graph, batch=3, kernel=kernel)(x), want)
    powers = np.exp((x - x.max(-1, keepdims=True).astype(float)) * scale)
    real = 256 * powers / powers.sum(-1, keepdims=True)
    assert abs(want.astype(int) + 128 - np.minimum(real, 255)).max() < 0.6


@given(st.integers(-(2**31) + 1, 0))
def test_the_exponential_of_fixed_point(a):
    got = int(fixed_functions.exp(np.array(a)))
    assert abs(got / 2**31 - np.exp(a / 2**26)) < 2**-20


@given(st.integers(1, 2**31 - 1))
def test_the_reciprocal_of_fixed_point(x):
    r, length = fixed_functions.reciprocal(np.array(x))
    assert abs(float(r) * 2.0 ** -(30 + float(length)) * x - 1) < 2**-26


@forms
@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (lambda op: graph_of(op, 0.1, 4, spec=unsigned(8)), "int8 codes"),
        (lambda op: graph_of(op, 2.0**-21, 4), "scale"),
        (lambda op: graph_of(op, 0.1, 4096), "4095"),
    ],
)
def test_what_has_no_softmax(op, graph, why):
    with pytest.raises(InvalidGraph, match=why):
        verify(graph(op))
