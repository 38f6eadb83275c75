"""The choice among bit-exact kernels: timed once, remembered, told, never a change of result."""

import json

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import cache
from lowbit.runtime import Network, measure
from lowbit.spec import INT8, TERNARY

ROWS, DEPTH, OUTS = 64, 260, 300


@pytest.fixture
def graph():
    w = np.random.default_rng(0).integers(-1, 2, (OUTS, DEPTH))
    weights = TensorType(w.shape, TERNARY, w.astype(TensorType(w.shape, TERNARY).dtype))
    x = TensorType((ROWS, DEPTH), INT8)
    return Graph({"x": x}, {"w": weights}, (Node(ops.Linear(), ("x", "w"), "y"),), ("y",))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "directory", lambda: tmp_path)
    monkeypatch.setattr(measure, "IN_MEMORY", {})
    return tmp_path


def equal(graph: Graph, network: Network) -> None:
    x = np.random.default_rng(1).integers(-128, 128, (2, ROWS, DEPTH)).astype(np.int8)
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


def test_measured_once_remembered_and_told(graph, folder, monkeypatch):
    network = Network(graph)
    file = folder / measure.FILE
    if not file.exists():
        pytest.skip("no rivals on this CPU")
    (times,) = json.loads(file.read_text()).values()
    monkeypatch.setattr(measure, "measured", lambda *args: pytest.fail("measured again"))
    assert Network(graph).plan.steps[-1].kernel is network.plan.steps[-1].kernel
    fastest = min(times, key=times.__getitem__)
    (row,) = [r for r in network.explain().rows if "y" in r.nodes]
    assert row.kernel == fastest
    assert any(f"not {times[fastest]:.2g}" in why for why in row.passed_over)
    equal(graph, network)


def test_every_rival_gives_the_same(graph, folder, monkeypatch):
    monkeypatch.setattr(measure, "measured", lambda rows, *args: {k.name: 1.0 for k in rows})
    Network(graph)
    file = folder / measure.FILE
    if not file.exists():
        pytest.skip("no rivals on this CPU")
    ((key, times),) = json.loads(file.read_text()).items()
    for name in times:
        file.write_text(json.dumps({key: {n: float(n != name) for n in times}}))
        network = Network(graph)
        assert name in [s.kernel.name for s in network.plan.steps]
        equal(graph, network)


def test_a_damaged_file_only_costs_a_measurement(graph, folder):
    (folder / measure.FILE).write_text("{")
    equal(graph, Network(graph))


def test_a_forced_row_is_not_measured(graph, folder, monkeypatch):
    monkeypatch.setattr(measure, "measured", lambda *args: pytest.fail("measured"))
    equal(graph, Network(graph, kernel="reference"))
