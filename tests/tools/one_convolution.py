"""A graph of one convolution, and the row of a kernel that has to run it."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.kernels.table import Kernel
from lowbit.runtime import Network
from lowbit.runtime.kernels import TABLES
from lowbit.spec import NARROW_INT8, Codes, QuantSpec


def constant(values, spec=None) -> TensorType:
    type_ = TensorType(np.shape(values), spec)
    return TensorType(type_.shape, spec, np.asarray(values, type_.dtype))


def convolution(
    conv: ops.Conv, w: np.ndarray, x: TensorType, form=None, spec: QuantSpec = NARROW_INT8
) -> Graph:
    """With what requantizes its sums, in a `form`."""
    rng, outs = np.random.default_rng(len(w)), len(w)
    constants = {"w": constant(w, spec)}
    nodes = [Node(conv, ("x", "w"), "y")]
    if form:
        constants["bias"] = constant(rng.integers(-500, 500, outs), QuantSpec(-500, 500))
        constants["scales"] = constant(np.full(outs, 0.01))
        nodes.append(Node(form(0.05, Codes(0.5, 3)), ("y", "bias", "scales"), "z"))
    return Graph({"x": x}, constants, tuple(nodes), (nodes[-1].output,))


def images(x: TensorType) -> np.ndarray:
    """Two of them."""
    assert x.spec is not None
    codes = np.random.default_rng(1).integers(x.spec.lo, x.spec.hi + 1, (2, *x.shape))
    return codes.astype(x.dtype)


def check_row(row: Kernel, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row alone runs the graph, and as it is defined. It need not be one of the table's."""
    if row.objections():
        pytest.skip("; ".join(row.objections()))
    monkeypatch.setitem(TABLES, "int_conv", (row, *int_conv.KERNELS))
    network, x = Network(graph, batch=2, kernel=row.name), images(graph.inputs["x"])
    assert [step.kernel.name for step in network.plan.steps] == [row.name]
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])
