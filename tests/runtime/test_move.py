"""What a padded image is copied from, and images whose colours come first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.runtime import Network
from lowbit.runtime.move import border_parts
from lowbit.spec import BINARY, INT8, unsigned

sides, ends = st.integers(1, 5), st.integers(0, 3)


@given(st.tuples(sides, sides), st.tuples(st.tuples(ends, ends), st.tuples(ends, ends)))
def test_the_parts_of_a_border_are_the_border(sides, padding):
    """Every pixel of it once, and none of the image."""
    written = np.zeros(tuple(s + sum(p) for s, p in zip(sides, padding, strict=True)), int)
    for start, count, step, size in border_parts(sides, padding):
        for k in range(count):
            written.reshape(-1)[start + k * step :][:size] += 1
    np.testing.assert_array_equal(written, np.pad(np.zeros(sides, int), padding, constant_values=1))


@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 16, 16), (3, 17, 31), (3, 1, 300), (2, 9, 8)])
@pytest.mark.parametrize("spec", [INT8, unsigned(8), None], ids=str)
@pytest.mark.parametrize("kernel", [None, "reference"])
def test_planes_become_pixels(shape, spec, kernel):
    node = Node(ops.Transpose((1, 2, 0)), ("x",), "y")
    graph = Graph({"x": TensorType(shape, spec)}, {}, (node,), ("y",))
    x = np.random.default_rng(0).integers(0, 127, (2, *shape)).astype(graph.inputs["x"].dtype)
    np.testing.assert_array_equal(Network(graph, 2, kernel)(x), evaluate(graph, x)[0])


def test_a_pad_value_that_nothing_is_padded_with():
    """Of operands that are packed, whose words no code fits."""
    w = np.ones((4, 2, 2, 64), np.int8)
    constants = {"w": TensorType(w.shape, BINARY, w)}
    node = Node(ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1), 1, -1), ("x", "w"), "y")
    graph = Graph({"x": TensorType((3, 4, 64), BINARY)}, constants, (node,), ("y",))
    x = np.random.default_rng(0).choice([-1, 1], (2, 3, 4, 64)).astype(np.int8)
    np.testing.assert_array_equal(Network(graph, 2)(x), evaluate(graph, x)[0])
