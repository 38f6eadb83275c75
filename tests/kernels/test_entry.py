"""Compiled functions: what they return, and that nothing they raise is lost."""

import subprocess
import sys

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.kernels import entry, program
from lowbit.runtime import Network


def steps(parameters, lo, hi):
    """A step of zero is an error."""
    count = 0
    for _ in range(lo, hi, parameters):
        count += 1
    return count


def broken(program, scratch, first, count, c0, width, stride):
    raise RuntimeError("as it may be")


@pytest.fixture
def network(request) -> Network:
    graph = Graph({"x": TensorType((4,))}, {}, (Node(ops.Relu(), ("x",), "y"),), ("y",))
    return Network(graph, threads=request.param)


def test_what_it_returns_is_the_calls():
    assert entry.compiled(steps, "test_steps")(2, 0, 7) == 4


def test_what_it_raises_is_an_error():
    with pytest.raises(RuntimeError, match="kernel test_steps failed"):
        entry.compiled(steps, "test_steps")(0, 0, 7)


@pytest.mark.parametrize("network", [1, 2], indirect=True)
def test_a_run_names_the_step_that_failed(network):
    x = np.ones((3, 4), np.float32)
    network(x)
    network.execute.table["kernel"] = entry.compiled(steps, "test_steps").address
    network.execute.table["parameters"] = 0
    for _ in range(2):
        with pytest.raises(RuntimeError, match="elementwise_x16 failed in"):
            network(x)


@pytest.mark.parametrize("network", [1], indirect=True)
def test_a_programs_failure_is_its_kernels(network):
    code = entry.compiled(broken, "test_broken", program.ARGUMENTS)
    network.plan.steps[0].record["run_program"] = code.address
    with pytest.raises(RuntimeError, match="elementwise_x16 failed in"):
        network(np.ones((3, 4), np.float32))


def test_kernels_are_defined_without_the_compiler():
    """Which takes longer to import than a small network to load and run."""
    code = "import sys, lowbit.runtime; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
