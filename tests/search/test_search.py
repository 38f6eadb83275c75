"""Mixed precision: what is counted, what is chosen, and that the store and the report have it."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="the extra lowbit[search] is not installed")

from lowbit.cli import main
from lowbit.search.costs import Costs
from lowbit.search.pareto import best, narrowed, searched, sensitivity
from lowbit.sweep.store import Store

LAYERS, CHOICES = ("a", "b", "c"), ("2", "4", "8")
GAIN = {"2": 0.0, "4": 0.2, "8": 0.3}
COST = {"a": 1, "b": 10, "c": 100}


def accuracy(widths) -> float:
    return sum(GAIN[width] for width in widths)


def cost(widths) -> float:
    return sum(COST[name] * int(width) for name, width in zip(LAYERS, widths, strict=True))


def points(budget: float):
    return searched(LAYERS, CHOICES, accuracy, cost, budget, 60, 0, lambda count: None)


def test_the_search_finds_what_fits_the_budget():
    """The expensive layer stays narrow, the cheap ones need not."""
    found = best(points(320), 320, keep=2)
    assert found[-1].widths == ("8", "8", "2")
    assert all(point.cost <= 320 for point in found)
    assert [p.accuracy for p in found] == sorted(p.accuracy for p in found)


def test_uniform_widths_are_always_asked():
    asked = {point.widths for point in points(320)}
    assert {(width,) * 3 for width in CHOICES} <= asked


def test_the_same_seed_asks_the_same():
    assert points(320) == points(320)


def test_a_budget_that_nothing_fits_is_refused():
    with pytest.raises(ValueError, match=r"fits the budget of 1; the smallest, mixed/2.2.2, costs"):
        best(points(320), 1, keep=2)


def test_sensitivity_is_of_one_layer_alone():
    asked = []
    alone = sensitivity(LAYERS, ("2",), lambda widths: asked.append(widths) or 0.5)
    assert asked == [("2", "f", "f"), ("f", "2", "f"), ("f", "f", "2")]
    assert alone == {name: {"2": 0.5} for name in LAYERS}


def test_sensitivity_narrows_what_bears_it():
    """From the best widths on: b loses a tenth of what a loses for as much saved."""
    alone = {"a": {"2": 0.5, "8": 0.9}, "b": {"2": 0.86, "8": 0.9}}

    def cost(widths):
        return sum(map(int, widths))

    found = {budget: narrowed(("a", "b"), alone, cost, budget) for budget in (16, 12, 4, 3)}
    assert found == {16: ("8", "8"), 12: ("8", "2"), 4: ("2", "2"), 3: ("2", "2")}


def test_a_cost_is_the_sum_of_its_layers():
    costs = Costs("ms", {"2": {"a": 1, "b": 2, "": 5}, "4": {"a": 3, "b": 4, "": 7}})
    assert costs.of(["a", "b"], ["2", "4"]) == 6 + 1 + 4


OPTIONS = (
    *("--data", "fashion_mnist_subset", "--widths", "2,8", "--trials", "6", "--keep", "1"),
    *("--recipe", '{"float_epochs":1,"epochs":1,"recalibrate":2}', "--executor", "inline"),
)


@pytest.mark.slow
def test_the_command_searches_trains_and_reports(tmp_path, monkeypatch, capsys):
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    monkeypatch.chdir(tmp_path)
    words = ["search", "larq_cnn(widths=[4, 4, 4], dense=8)", "--max-bytes", "12000", *OPTIONS]
    monkeypatch.setattr(sys, "argv", ["lowbit", *words, "--json"])
    with pytest.raises(SystemExit) as exit:
        main()
    said = capsys.readouterr()
    assert not exit.value.code, said.err
    found = json.loads(said.out)
    (record,) = Store("lowbit-sweep").searches().values()
    result = record["result"]
    assert set(result["best"]) <= {row["scheme"] for row in found["trials"]}
    assert {"mixed/2.2.2.2.2", "mixed/8.8.8.8.8"} <= {row["scheme"] for row in found["trials"]}
    assert all(row["equal"] == 1 for row in found["trials"])
    estimate = {p["scheme"]: p["cost"] for p in result["points"]}
    for row in found["trials"]:
        assert row["bytes"] == pytest.approx(estimate[row["scheme"]], rel=0.15)
    report = Path(found["report"])
    assert "Mixed precision" in report.read_text()
    assert (report.parent / "sensitivity_1.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "either --max-bytes or --max-ms"),
        (("--max-ms", "1", "--recipe", '{"epochs":2}'), "float_epochs and epochs, both at least 1"),
    ],
)
def test_mistakes_are_answered(options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lowbit", "search", "larq_cnn", *options])
    with pytest.raises(SystemExit):
        main()
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in said
