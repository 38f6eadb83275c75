"""The main job on a thimble of data: it ends in a table, in JSON, and goes on where it stopped."""

import json
from dataclasses import replace

import pytest

from lowbit import quickstart
from lowbit.data import load_fashion_mnist_subset


@pytest.fixture
def small(monkeypatch):
    whole = load_fashion_mnist_subset()
    data = replace(
        whole,
        train_images=whole.train_images[:512],
        train_labels=whole.train_labels[:512],
        test_images=whole.test_images[:64],
        test_labels=whole.test_labels[:64],
    )
    monkeypatch.setattr("lowbit.train.fashion_mnist.load_fashion_mnist", lambda folder: data)
    monkeypatch.setattr(quickstart, "ROUNDS", 3)


@pytest.mark.usefixtures("small")
def test_it_reports_agreement_and_resumes(tmp_path, capsys):
    quickstart.main(tmp_path, 1, as_json=True)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["data"] == "embedded"
    assert [n["name"] for n in report["networks"]] == ["w1a1", "w2a2"]
    for network in report["networks"]:
        assert network["agreement"] == 1
        assert network["accuracy"] == network["torch_accuracy"]
        assert network["runtime_ms"] > 0
    assert report["networks"][0]["float_bytes"] > 20 * report["networks"][0]["file_bytes"]
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000

    quickstart.main(tmp_path, 1, as_json=False)  # trained already: only measured again
    out = capsys.readouterr().out
    assert "100.00%" in out
    again = json.loads((tmp_path / "results.json").read_text())
    assert [n["accuracy"] for n in again["networks"]] == [n["accuracy"] for n in report["networks"]]
