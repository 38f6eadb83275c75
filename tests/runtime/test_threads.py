"""Any number of threads gives the same bytes, also after a fork and for several callers at once."""

import os
import pickle
import signal
import threading

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import loop
from lowbit.runtime import Network
from lowbit.runtime.workers import Workers
from lowbit.spec import BINARY, unsigned

SAME = ((1, 1), (1, 1))


def constant(value, spec) -> TensorType:
    type_ = TensorType(np.shape(value), spec)
    return TensorType(type_.shape, spec, np.asarray(value).astype(type_.dtype))


@pytest.fixture(scope="module")
def graph() -> Graph:
    rng = np.random.default_rng(0)
    constants = {
        "zero": constant(np.zeros((1, 1)), None),
        "rising": constant([0], unsigned(1)),
        "w": constant(rng.choice([-1, 1], (70, 3, 3, 65)), BINARY),
    }
    nodes = (
        Node(ops.Threshold(-1, 1, 2), ("x", "zero", "rising"), "b"),
        Node(ops.Conv((1, 1), SAME, (1, 1)), ("b", "w"), "y"),
    )
    return Graph({"x": TensorType((7, 9, 65))}, constants, nodes, ("y",))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 7, 9, 65)).astype(np.float32)


@pytest.fixture(scope="module")
def want(graph, images) -> np.ndarray:
    return evaluate(graph, images)[0]


@pytest.fixture(params=[1, 2, 3, 5])
def network(graph, request, monkeypatch) -> Network:
    """Two images at a time; steps as small as these are shared only if told to be."""
    network = Network(graph, 2, threads=request.param)
    network.execute.table["load"] = loop.SMALL
    return network


def test_the_same_bytes(network, images, want):
    for _ in range(50):
        np.testing.assert_array_equal(network(images), want)


def test_small_steps_are_one_piece(graph, images, want):
    np.testing.assert_array_equal(Network(graph, threads=2)(images), want)


def test_threads_that_come_too_late_do_no_harm(network, images, want, monkeypatch):
    """The caller does all the work; the others wake up during a later run, or after the last."""
    late = []

    def run(self, jobs):
        late.extend(jobs[1:])
        jobs[0]()

    monkeypatch.setattr(Workers, "run", run)
    for _ in range(3):
        got = network(images)
        for job in late:
            job()
        np.testing.assert_array_equal(network(images), want)
        np.testing.assert_array_equal(got, want)


def test_several_callers_of_one_network(network, images, want):
    wrong = []

    def use() -> None:
        for _ in range(10):
            if not np.array_equal(network(images), want):
                wrong.append(1)

    callers = [threading.Thread(target=use) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own_threads(network, images, want):
    network(images)
    with network.turns.lock:  # as if another thread were inside at the moment of the fork
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if np.array_equal(network(images), want) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(network(images), want)


class Applied:
    """A data set of what a network makes of images."""

    def __init__(self, network, images) -> None:
        self.network, self.images = network, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.network(self.images[i : i + 1])[0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more than a CPU each
def test_workers_of_a_data_loader(graph, images, want):
    data = pytest.importorskip("torch.utils.data")
    network = Network(graph, threads=2)
    network.execute.table["load"] = loop.SMALL
    network(images)
    loader = data.DataLoader(Applied(network, images), num_workers=2, timeout=60)
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in loader]), want)


def test_a_network_travels_by_pickle(graph, images, want):
    copy = pickle.loads(pickle.dumps(Network(graph, batch=2, threads=2)))
    assert (copy.batch, copy.threads) == (2, 2)
    np.testing.assert_array_equal(copy(images), want)


def test_references_run_on_one(graph, images, want):
    network = Network(graph, kernel="reference", threads=2)
    np.testing.assert_array_equal(network(images), want)


@pytest.mark.parametrize("threads", [0, 65])
def test_a_number_of_threads_that_cannot_be_is_refused(graph, threads):
    with pytest.raises(ValueError, match=f"threads are 1 to 64, not {threads}"):
        Network(graph, threads=threads)
