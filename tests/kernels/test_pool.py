"""Maxima of codes: every row that keeps bytes as they are, around the channels of its vectors."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import pool
from lowbit.runtime import Network
from lowbit.spec import INT8, Codes, Parameters, unsigned

ROWS = [k.name for k in pool.MAX_BYTES if not k.reference]
WINDOWS = (
    ((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((3, 2), (1, 2), ((2, 0), (1, 0)), (1, 1)),
    ((2, 3), (1, 1), ((0, 0), (0, 0)), (3, 2)),
)


def inputs(spec, channels: int) -> np.ndarray:
    codes = np.random.default_rng(channels).integers(spec.lo, spec.hi + 1, (2, 7, 9, channels))
    return codes.astype(np.int8 if spec.lo < 0 else np.uint8)


@pytest.mark.parametrize("row", [*ROWS, "reference"])
@pytest.mark.parametrize("spec", [INT8, unsigned(8)], ids=str)
@pytest.mark.parametrize("channels", [16, 17, 63, 64, 65, 130])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_bytes_stay_bytes(row, spec, channels, window):
    node = Node(ops.MaxPool(*window), ("x",), "y")
    graph = Graph({"x": TensorType((7, 9, channels), spec)}, {}, (node,), ("y",))
    try:
        network = Network(graph, batch=2, kernel=row)
    except LookupError as error:
        pytest.skip(str(error))
    assert network.plan.steps[0].kernel.name.startswith("max_bytes")
    x = inputs(spec, channels)
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


@pytest.mark.parametrize("channels", [5, 64])
def test_maxima_that_are_worked_on_pass_through_registers(channels):
    """A chain behind the maximum takes the row that runs programs."""
    add = ops.AddF(Parameters(0.02, 3), Parameters(0.02, 3), 1, Codes(0.05, -7))
    nodes = (
        Node(ops.MaxPool(*WINDOWS[0]), ("x",), "most"),
        Node(add, ("most", "most"), "y"),
    )
    graph = Graph({"x": TensorType((7, 9, channels), INT8)}, {}, nodes, ("y",))
    network, x = Network(graph, batch=2), inputs(INT8, channels)
    assert network.plan.steps[0].kernel.name == "max_pool_ints"
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])
