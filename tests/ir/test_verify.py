"""A spoiled graph is refused, and the message names the node and the rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowbit.ir import Graph, InvalidGraph, Node, TensorType, evaluate, ops, verify
from lowbit.ir.evaluate import trace
from lowbit.spec import BINARY, QuantSpec, unsigned


def constant(value, spec=None):
    type_ = TensorType(np.shape(value), spec)
    return TensorType(type_.shape, spec, np.asarray(value).astype(type_.dtype))


def binary_layer(k=3, n=4, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.choice([-1, 1], (n, k))
    t = rng.integers(-k, k + 1, (n, 1))
    return Graph(
        inputs={"x": TensorType((k,), BINARY)},
        constants={
            "w": constant(w, BINARY),
            "t": constant(t, QuantSpec(-k, k)),
            "falling": constant(rng.integers(0, 2, n), unsigned(1)),
        },
        nodes=(
            Node(ops.Linear(), ("x", "w"), "acc"),
            Node(ops.Threshold(-1, 1, 2), ("acc", "t", "falling"), "y"),
        ),
        outputs=("acc", "y"),
    )


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_values_keep_to_their_inferred_types(k, n, seed):
    graph = binary_layer(k, n, seed)
    types = verify(graph)
    x = np.random.default_rng(seed + 1).choice(np.array([-1, 1], np.int8), (5, k))
    for name, value in trace(graph, x).items():
        if name not in graph.constants:
            assert value.shape[1:] == types[name].shape
        assert all(int(c) in types[name].spec for c in np.unique(value))


def out_of_order(g):
    return replace(g, nodes=g.nodes[::-1])


def assigned_twice(g):
    return replace(g, nodes=g.nodes + g.nodes[-1:])


def zero_weight(g):
    return replace(
        g, constants=g.constants | {"w": replace(g.constants["w"], value=np.zeros((4, 3), np.int8))}
    )


def wrong_depth(g):
    return replace(g, inputs={"x": TensorType((4,), BINARY)})


def no_output(g):
    return replace(g, outputs=())


def unknown_output(g):
    return replace(g, outputs=("z",))


def float_thresholds(g):
    return replace(g, constants=g.constants | {"t": constant(np.zeros((4, 1)))})


def descending(g):
    t = constant([[1, 0]] * 4, QuantSpec(0, 1))
    node = replace(g.nodes[1], op=ops.Threshold(-1, 1, 1))
    return replace(g, constants=g.constants | {"t": t}, nodes=(g.nodes[0], node))


def too_wide(g):
    w = constant(np.full((4, 3), 2**30), QuantSpec(-(2**30), 2**30))
    return replace(g, constants=g.constants | {"w": w})


def too_few_operands(g):
    return replace(g, nodes=(replace(g.nodes[0], inputs=("x",)), g.nodes[1]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (out_of_order, "acc is used before it is assigned"),
        (assigned_twice, "assigned twice"),
        (zero_weight, "w: its codes leave {-1..1 by 2}"),
        (wrong_depth, r"acc = Linear\(\)\(x, w\): depths agree: 4 and 3"),
        (no_output, "a graph has an output"),
        (unknown_output, "output z is never assigned"),
        (float_thresholds, "are of the kind of x"),
        (descending, "thresholds ascend"),
        (too_wide, "sums fit int32"),
        (too_few_operands, "does not take 1 operands"),
    ],
)
def test_a_spoiled_graph_is_refused(spoil, message):
    with pytest.raises(InvalidGraph, match=message):
        verify(spoil(binary_layer()))


def test_evaluate_refuses_a_wrong_shape():
    with pytest.raises(ValueError, match="input x has shape"):
        evaluate(binary_layer(), np.ones((2, 4), np.int8))
