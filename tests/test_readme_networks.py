"""The README's tables of whole networks, from results as the commands write them."""

import importlib
import sys
from pathlib import Path

import pytest

from lowbit.bench.results import provenance, write_rows
from lowbit.sweep.report.tables import TRIAL

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("readme_networks")
    sys.modules.pop("readme_networks")


def test_a_race_is_shown_with_who_was_faster(tables, tmp_path):
    pytest.importorskip("torch")
    common = {"op": "net", "shape": "1x3x8x8", "p10_ms": 1.0, "p90_ms": 3.0}
    rows = [
        {**common, "dtype": "int8", "median_ms": 2.0, "bytes": 1234, "peer": None},
        {**common, "dtype": "float32", "median_ms": 8.0, "bytes": 0, "peer": "torch eager"},
    ]
    path = write_rows(tmp_path / provenance("models", 1), rows)
    ((title, head, lines),) = tables.models(path)
    assert title.startswith("net, 1x3x8x8 (`lowbit bench models`), 1-thread of")
    assert lines[0] == ["**lowbit**", "int8", "2.00", "1.00 to 3.00", "4.0x", "1,234"]
    assert [len(line) for line in lines] == [len(head)] * 2


def test_a_sweep_is_shown_over_its_seeds(tables, tmp_path):
    row = {**dict.fromkeys(TRIAL, "1"), "scheme": "w1a1", "recipe": "{}", "data": "d", "cpu": "c"}
    row |= {"load": 3.0, "cores": 2, "trained_on": "a card"}
    rows = [
        {**row, "accuracy": accuracy, "seed": seed, "bytes": 1000, "ms": 0.5, "torch_ms": 2.0}
        for seed, accuracy in enumerate((0.8, 0.9))
    ]
    path = write_rows(tmp_path / "sweep_quick.csv", [*rows, {**rows[0], "batch": 16}])
    title, head, (line,) = tables.sweep(path)
    assert title.startswith("`lowbit sweep --quick`, 2 of 34 trials: 1 on d, trained on a card; ")
    expected = ["w1a1", "", "2", "85.00 ± 7.07", "1,000", "0.500", "4.0x", "100.00 %"]
    assert line == expected
    assert len(head) == len(line)
    write_rows(path, [rows[0], {**rows[1], "load": 3.5, "ms": 99.0}])
    title, _, (line,) = tables.sweep(path)
    assert "Times are left out where the machine had other work." in title
    assert line == expected
    write_rows(path, [{**row, "load": 3.5} for row in rows])
    assert tables.sweep(path)[2][0][5:7] == ["", ""]


def test_what_recipes_share_is_said_once(tables, tmp_path):
    row = dict.fromkeys((*TRIAL, "data", "cpu"), "1")
    row |= {"load": 1.0, "cores": 2, "trained_on": "cpu"}
    recipes = {"a": '{"epochs":1,"flip":true}', "b": '{"flip":true,"lr":0.5}'}
    rows = [{**row, "scheme": name, "recipe": text} for name, text in recipes.items()]
    title, head, lines = tables.sweep(write_rows(tmp_path / "sweep_full.csv", rows))
    assert ", all with flip True; times of" in title
    assert head[1] == "recipe"
    assert [line[1] for line in lines] == ["epochs 1, lr 0.002", "epochs 3, lr 0.5"]
