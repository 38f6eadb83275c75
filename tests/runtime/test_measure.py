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
    monkeypatch.setattr(measure, "rivals", able)
    return tmp_path


def able(table, problem, forced):
    """Rows that compete on any processor, whatever they need of it."""
    rows = [k for k in table if not k.reference and not k.objections(problem)]
    return rows if forced is None else measure.forced_rows(table, forced)


def names(rows) -> list[str]:
    return [kernel.name for kernel in rows]


@pytest.fixture
def quiet(monkeypatch):
    """A machine on which nobody else works."""
    monkeypatch.setattr(measure, "ALONE", 0)


def equal(graph: Graph, network: Network) -> None:
    x = np.random.default_rng(1).integers(-128, 128, (2, ROWS, DEPTH)).astype(np.int8)
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


def test_measured_once_remembered_and_told(graph, folder, quiet, monkeypatch):
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
    monkeypatch.setattr(
        measure, "measured", lambda rows, *_: (dict.fromkeys(names(rows), 1.0), True)
    )
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


def test_a_busy_machines_answer_is_not_remembered(graph, folder, monkeypatch):
    monkeypatch.setattr(measure, "ALONE", np.inf)
    network = Network(graph)
    assert not (folder / measure.FILE).exists()
    monkeypatch.setattr(measure, "measured", lambda *args: pytest.fail("measured again"))
    equal(graph, Network(graph))
    equal(graph, network)


def sleeping(clock: list[float], *takes: float):
    """Something that takes these times, the last one from then on."""
    left = list(takes)
    return lambda: clock.append(clock[-1] + (left.pop(0) if len(left) > 1 else left[0]))


@pytest.fixture
def clock(monkeypatch, quiet) -> list[float]:
    seconds = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: seconds[-1])
    return seconds


def test_one_slow_round_changes_no_choice(clock):
    best, sure = measure.race({"a": sleeping(clock, 9, 1), "b": sleeping(clock, 2)})
    assert sure
    assert best == {"a": 1000, "b": 2000}


def test_close_rows_are_timed_longer_and_hopeless_ones_twice(clock):
    times = {"a": 1.0, "b": 1.05, "c": 1.5, "d": 9.0}
    counts = dict.fromkeys(times, 0)

    def counted(name):
        def run():
            counts[name] += 1
            clock.append(clock[-1] + times[name])

        return run

    measure.race({name: counted(name) for name in times})
    rounds = measure.ROUNDS
    assert counts == {"a": 3 * rounds, "b": 3 * rounds, "c": rounds, "d": 2}


def test_a_damaged_file_only_costs_a_measurement(graph, folder):
    (folder / measure.FILE).write_text("{")
    equal(graph, Network(graph))


def test_a_forced_row_is_not_measured(graph, folder, monkeypatch):
    monkeypatch.setattr(measure, "measured", lambda *args: pytest.fail("measured"))
    equal(graph, Network(graph, kernel="reference"))
