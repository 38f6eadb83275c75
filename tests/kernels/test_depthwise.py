"""Depthwise rows of instructions that this machine may lack, on a plain one."""

import numpy as np
import pytest
from plain_dot import AVX2

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.kernels.int_conv.rows import depthwise_rolled_row
from lowbit.runtime import Network
from lowbit.runtime.kernels import TABLES
from lowbit.spec import INT8, NARROW_INT8, Codes, QuantSpec, unsigned

ROWS = [depthwise_rolled_row("int_conv_emulated_rolled", AVX2, 8, vectors) for vectors in (2, 4)]
SAME, VALID = ((1, 1), (1, 1)), ((0, 0), (0, 0))


def constant(values, spec=None) -> TensorType:
    type_ = TensorType(np.shape(values), spec)
    return TensorType(type_.shape, spec, np.asarray(values, type_.dtype))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("channels", [16, 31, 32, 49])
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
@pytest.mark.parametrize(
    ("sides", "stride", "padding", "dilation"),
    [
        ((9, 21), (1, 1), SAME, (1, 1)),
        ((5, 3), (1, 1), VALID, (1, 1)),
        ((6, 9), (2, 1), ((0, 2), (1, 0)), (1, 1)),
        ((9, 12), (1, 1), ((2, 2), (1, 1)), (2, 1)),
        ((1, 1), (1, 1), SAME, (1, 1)),
    ],
)
@pytest.mark.parametrize(("form", "pad_value"), [(None, 0), (ops.RequantizeF, 0), (None, 7)])
def test_columns_that_roll_are_the_definition(
    row, channels, x_spec, sides, stride, padding, dilation, form, pad_value, monkeypatch
):
    if row.objections():
        pytest.skip("; ".join(row.objections()))
    monkeypatch.setitem(TABLES, "int_conv", (row, *int_conv.KERNELS))
    rng = np.random.default_rng(channels)
    wide = QuantSpec(-(2**10), 2**10)
    w = rng.integers(-127, 128, (channels, 3, 3, 1))
    constants = {"w": constant(w, NARROW_INT8)}
    nodes = [Node(ops.Conv(stride, padding, dilation, channels, pad_value), ("x", "w"), "y")]
    if form:
        constants["bias"] = constant(rng.integers(-500, 500, channels), wide)
        constants["scales"] = constant(np.full(channels, 0.01, np.float32))
        nodes.append(Node(form(0.05, Codes(0.5, 3)), ("y", "bias", "scales"), "z"))
    x_type = TensorType((*sides, channels), x_spec)
    graph = Graph({"x": x_type}, constants, tuple(nodes), (nodes[-1].output,))
    x = rng.integers(x_spec.lo, x_spec.hi + 1, (2, *x_type.shape)).astype(x_type.dtype)
    network = Network(graph, batch=2, kernel=row.name)
    assert [step.kernel.name for step in network.plan.steps] == [row.name]
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


@pytest.mark.parametrize(
    "row", [k for k in int_conv.KERNELS if "depthwise" in k.name], ids=lambda row: row.name
)
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
def test_borders_of_any_code(row, x_spec):
    """Rows that read taps outside the image need no copy of it; the one that does not, one."""
    rng = np.random.default_rng(0)
    constants = {"w": constant(rng.integers(-127, 128, (64, 3, 3, 1)), NARROW_INT8)}
    node = Node(ops.Conv((1, 1), ((1, 1), (0, 2)), (1, 1), 64, x_spec.hi), ("x", "w"), "y")
    graph = Graph({"x": TensorType((5, 19, 64), x_spec)}, constants, (node,), ("y",))
    try:
        network = Network(graph, batch=2, kernel=row.name)
    except LookupError as error:
        pytest.skip(str(error))
    assert (len(network.plan.steps) == 1) == row.pads
    x = rng.integers(x_spec.lo, x_spec.hi + 1, (2, 5, 19, 64)).astype(graph.inputs["x"].dtype)
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


def test_strides_and_other_kernels_are_not_for_it():
    from lowbit.kernels.layout import Layout
    from lowbit.kernels.problem import Problem

    for change in ({"stride": (1, 2)}, {"kernel": (5, 5)}, {"dilation": (1, 2)}):
        geometry = {"kernel": (3, 3), **change}
        problem = Problem(
            32, 32, groups=32, x_spec=INT8, w_spec=INT8, layout=Layout.BYTE, **geometry
        )
        assert ROWS[0].objections(problem)[-1] == "needs neighbouring pixels under 3 by 3 taps"
