"""`lowbit sweep` as a user types it: a grid in, a report and a status out."""

import json
import sys
from pathlib import Path

import pytest

from lowbit.cli import main
from lowbit.sweep import Store
from lowbit.sweep.report import write_report

OPTIONS = (
    *("--model", "larq_cnn(widths=[8, 8, 8], dense=16)", "--data", "fashion_mnist_subset"),
    *("--recipe", '{"epochs":1,"train_images":256,"recalibrate":2}', "--rounds", "2"),
    *("--executor", "inline", "--store", "store"),
)


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """sweep("--quick"): its status and streams, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lowbit", "sweep", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        return exit.value.code or 0, *capsys.readouterr()

    return run


def test_a_sweep_ends_in_a_report(sweep):
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    status, out, err = sweep("--scheme", "w1a1", "--scheme", "float", *OPTIONS, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert (found["done"], found["skipped"], found["failed"]) == (2, 0, {})
    assert [row["scheme"] for row in found["trials"]] == ["w1a1", "float"]
    assert Path(found["report"]).stat().st_size > 10**6
    status, out, _ = sweep("--scheme", "w1a1", *OPTIONS, "--json")
    assert status == 0
    assert json.loads(out)["skipped"] == 1
    status, out, _ = sweep("--only-report", "--store", "store")
    assert status == 0
    assert "2 trials" in out


def test_times_are_measured_again_and_nothing_else_changes(sweep):
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    status, *_ = sweep("--scheme", "w1a1", "--scheme", "float", *OPTIONS)
    assert status == 0
    kept = Store("store")
    before = kept.finished()
    _, without = before
    (kept.networks / f"{without}.safetensors").unlink()
    status, _, err = sweep("--time-again", "--store", "store")
    assert status == 0
    assert "1 of 2 trials have no file in store/networks and keep their times" in " ".join(
        err.split()
    )
    after = kept.finished()
    assert {k: v["result"] for k, v in after.items()} == {k: v["result"] for k, v in before.items()}
    timed = [key for key in after if after[key]["measured"] != before[key]["measured"]]
    assert timed == [key for key in after if key != without]


def test_training_and_timing_may_be_apart(sweep):
    pytest.importorskip("plotly", reason="the report's extra is not installed")
    status, out, _ = sweep("--scheme", "w1a1", *OPTIONS, "--untimed")
    assert status == 0
    assert "1 to be timed: lowbit sweep --time-again --store store" in out
    assert not Path("store/report").exists()
    (trained,) = Store("store").finished().values()
    with pytest.raises(ValueError, match="1 of 1 trials are not timed yet: run lowbit sweep --ti"):
        write_report(Path("report"), {trained["key"]: trained}, {}, {})
    status, out, _ = sweep("--time-again", "--store", "store")
    assert status == 0
    assert Path("store/report/report.html").exists()
    (timed,) = Store("store").finished().values()
    assert timed["result"] == trained["result"]
    assert timed["measured"]["latency"][0]["runtime"]["median"] > 0


BROKEN = """
from torch import nn

class Broken(nn.Linear):
    def forward(self, x):
        raise ArithmeticError("broken on purpose")

def net():
    return nn.Sequential(nn.Flatten(), Broken(784, 10))
"""


def test_a_failed_trial_is_told_by_the_status(sweep, tmp_path):
    (tmp_path / "broken_net.py").write_text(BROKEN)
    options = [o if not o.startswith("larq_cnn(") else "broken_net:net" for o in OPTIONS]
    status, out, err = sweep("--scheme", "float", *options)
    assert status == 1
    assert "0 trials (0 were there already), 1 failed" in out
    assert "ArithmeticError: broken on purpose" in out + err
    (failure,) = (tmp_path / "store" / "failures").glob("*.json")
    assert "broken_net.py" in json.loads(failure.read_text())["traceback"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "give --quick, --full, or at least one --scheme"),
        (("--quick", "--full"), 2, "--quick or --full, not both"),
        (("--scheme", "w1a1", "--recipe", "fast"), 2, "--recipe is JSON"),
        (("--scheme", "w1a1", "--recipe", "[1]"), 2, "--recipe is a JSON object"),
        (("--scheme", "w1a1", "--batch", "one"), 2, "numbers and commas"),
        (("--scheme", "w1a1", "--batch", "0"), 2, "numbers are at least 1"),
        (("--scheme", "w1a1", "--executor", "dask"), 2, "processes, ray"),
        (("--scheme", "w9a9"), 1, "error: 'w9a9': dorefa has weights of"),
        (("--scheme", "w1a1", "--data", "cifar"), 1, "error: no data 'cifar': choose"),
        (("--scheme", "w1a1", "--store", "file/store"), 1, "error: file/store: no store"),
        (("--only-report", "--store", "gone"), 1, "error: gone: no finished trials there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_answered(sweep, tmp_path, arguments, status, message):
    (tmp_path / "file").write_text("")
    given = arguments if "--data" in arguments else (*arguments, "--data", "fashion_mnist_subset")
    found, out, err = sweep(*given)
    assert found == status
    assert message in " ".join((out + err).replace("│", " ").split())


def test_help_explains(sweep):
    status, out, _ = sweep("--help")
    assert status == 0
    for option in ("--quick", "--full", "--scheme", "--recipe", "--store", "--executor"):
        assert option in out
