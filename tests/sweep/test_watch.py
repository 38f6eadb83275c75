"""What is shown while a sweep runs: bars, counts, the time that is left, the last results."""

import io

import numpy as np
import pytest
from rich.console import Console

from lowbit.sweep import Grid, Recipe, Store
from lowbit.sweep.config import Config, by_key
from lowbit.sweep.drive import lacking
from lowbit.sweep.executors import Failed, Found
from lowbit.sweep.start import is_start, packed
from lowbit.sweep.watch import LiveTable

FOUND = Found({"accuracy": 0.875, "bytes": 4321, "equal": 1.0}, {})
SHORT = Recipe(float_epochs=5, epochs=1)
LONG = Recipe(float_epochs=5, epochs=3)


@pytest.fixture(scope="module")
def wanted() -> dict[str, Config]:
    grid = Grid(["lsq-w2a2"], ["larq_cnn"], [SHORT, LONG], data="fashion_mnist_subset")
    return by_key(grid.configs())


def watch(wanted, store, terminal=True) -> tuple[LiveTable, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=60)
    return LiveTable(lacking(wanted, store), console), out


def test_the_whole_is_counted_in_epochs(wanted, tmp_path):
    """5 of the float network, then 1 and 3, and one more for what follows the training of each."""
    table, _ = watch(wanted, Store(tmp_path))
    start, short, long = table.work
    assert table.trials == {short, long}
    whole = table.whole.tasks[0]
    assert whole.total == 5 + 2 + 4
    table.started(start, "here")
    table.advanced(start, 0.4, "epoch 3")
    assert whole.completed == 2
    table.ended(start, Found({}, {}, b""))
    assert (whole.completed, whole.fields["ended"]) == (5, 0)
    table.started(long, "here")
    table.advanced(long, 0.5, "epoch 2")
    table.started(short, "there")
    table.ended(short, FOUND)
    assert (whole.completed, whole.fields["ended"]) == (5 + 2 + 2, 1)
    table.ended(long, Failed("ValueError: no", "trace"))
    assert (whole.completed, whole.fields["ended"]) == (whole.total, 2)


def test_a_trial_that_begins_anew_is_counted_once(wanted, tmp_path):
    table, _ = watch(wanted, Store(tmp_path))
    start, *_ = table.work
    for _ in range(2):
        table.started(start, "here")
        table.advanced(start, 0.4, "epoch 3")
    assert table.whole.tasks[0].completed == 2
    assert len(table.progress.tasks) == 1


def test_a_float_network_that_is_there_is_no_work(wanted, tmp_path):
    store = Store(tmp_path)
    start = next(config for config in lacking(wanted, store).values() if is_start(config))
    with store.locked():
        store.save_start(start, packed({"weight": np.zeros(3)}, 1.5))
    table, _ = watch(wanted, store)
    assert table.whole.tasks[0].total == 2 + 4


def test_elsewhere_than_on_a_terminal_a_line_for_each_trial(wanted, tmp_path):
    table, out = watch(wanted, Store(tmp_path), terminal=False)
    start, short, long = table.work
    with table:
        table.ended(start, Found({}, {}, b""))
        table.ended(short, FOUND)
        table.ended(long, Failed("ValueError: no", "trace"))
    first, second = out.getvalue().splitlines()
    assert first == "larq_cnn lsq-w2a2 seed 0  87.50%  4321    100.00%"
    assert second == "larq_cnn lsq-w2a2 seed 0 failed: ValueError: no"
