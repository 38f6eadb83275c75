"""What no kernel does is told as an answer, in one line: it is not a fault of the program."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import window
from lowbit.kernels.copy.record import copy
from lowbit.kernels.limit import Limit
from lowbit.runtime import Network


def test_groups_that_no_scratch_holds():
    assert window.chunk(60, 64) <= 3968
    with pytest.raises(Limit, match="70 groups of 67 output channels: there is no kernel"):
        window.chunk(70, 67)


def test_copies_over_many_sides():
    with pytest.raises(Limit, match="over 5 strided sides"):
        copy([(2, 3**i, 5**i) for i in range(1, 6)], 1)


def test_it_is_an_answer_and_the_graph_runs_by_its_definition():
    nodes = (Node(ops.Transpose((5, 3, 1, 4, 2, 0)), ("x",), "y"),)
    graph = Graph({"x": TensorType((2, 3, 2, 3, 2, 3))}, {}, nodes, ("y",))
    with pytest.raises(ValueError, match=r"lowbit\.ir\.evaluate"):  # which the command line tells
        Network(graph)
    x = np.arange(216, dtype=np.float32).reshape(1, 2, 3, 2, 3, 2, 3)
    np.testing.assert_array_equal(evaluate(graph, x)[0], x.transpose(0, 6, 4, 2, 5, 3, 1))
