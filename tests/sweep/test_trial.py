"""Real trials, on the images that come with lowbit: trained, exported, verified, measured."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from lowbit.factory import factory
from lowbit.sweep import trial
from lowbit.sweep.executors import Found, Site
from lowbit.sweep.grid import Grid
from lowbit.sweep.models import float_twin, holders, lowered, with_weights
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.schemes import scheme
from lowbit.sweep.start import start_of
from lowbit.sweep.train import Reports

MODEL = "larq_cnn(widths=[8, 8, 8], dense=16)"
TINY = Recipe(epochs=2, train_images=512, recalibrate=2)


def config(scheme: str, recipe: Recipe = TINY) -> dict:
    grid = Grid(
        [scheme],
        [MODEL],
        [recipe],
        data="fashion_mnist_subset",
        batches=[1, 3],
        threads=[1, 2],
        rounds=3,
    )
    (found,) = grid.configs()
    return json.loads(json.dumps(found))


def silent(share: float, what: str) -> None: ...


def ran(config: dict, folder) -> Found:
    """The trial, after the float network that it begins with."""
    site, start = Site(folder / "scratch"), start_of(config)
    if start:
        site = replace(site, start=trial.run(start, site, silent).network)
    return trial.run(config, site, silent)


def test_a_trial_measures_all_that_the_report_shows(tmp_path):
    told = []
    found = trial.run(config("w1a2"), Site(tmp_path), lambda share, what: told.append(share))
    result, measured = found.result, found.measured
    assert result["exact"]
    assert result["equal"] == 1.0
    assert 0.1 < result["accuracy"] < 1
    assert result["bytes"] == len(found.network)
    assert result["bits"] == {"weight": "1", "input": "2"}
    assert result["operations"]["float"] == 0 < result["operations"]["low_bit"]
    assert sum(layer["parameters"] for layer in result["layers"]) == result["parameters"]
    runs = [(row["threads"], row["batch"]) for row in measured["latency"]]
    assert runs == [(1, 1), (1, 3), (2, 1), (2, 3)]
    for row in measured["latency"]:
        for times in (row["runtime"], row["torch"]):
            assert 0 < times["p10"] <= times["median"] <= times["p90"]
    assert 0 < measured["train_seconds"] < measured["trial_seconds"]
    assert measured["peak_memory"] > 10**7
    assert measured["device"] == "cpu"
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] < 1


def test_a_killed_trial_goes_on_to_the_same_result(tmp_path, monkeypatch):
    wanted = ran(config("w2a2"), tmp_path)

    def killed(self, trainer, pl_module, *rest):
        if trainer.current_epoch == 1:
            raise SystemExit("killed in the second epoch")

    monkeypatch.setattr(Reports, "on_train_batch_end", killed)
    with pytest.raises(SystemExit):
        ran(config("w2a2"), tmp_path)
    monkeypatch.undo()
    assert list((tmp_path / "scratch").glob("*.ckpt"))
    again = ran(config("w2a2"), tmp_path)
    assert again.network == wanted.network
    assert again.result == wanted.result
    assert not (tmp_path / "scratch").exists()


def test_a_calibrated_trial_runs_as_its_graph_is_defined(tmp_path):
    found = ran(config("ptq-w4a8"), tmp_path)
    assert found.result["exact"]
    assert found.result["bits"] == {"weight": "4", "input": "8"}
    assert found.result["operations"]["float"] == 0 < found.result["operations"]["low_bit"]
    assert found.result["bytes"] == len(found.network)


def test_training_from_float_starts_where_the_float_twin_ended():
    model = factory(MODEL)
    twin, start = float_twin(model), scheme("lsq-w2a2")
    layers, sources = holders(lowered(model, twin, start)), holders(twin)
    assert len(layers) == len(sources) == 10
    for layer, source in zip(layers, sources, strict=True):
        for name, value in source.state_dict().items():
            assert torch.equal(layer.state_dict()[name], value)


def test_training_from_float_ends_in_a_low_bit_network(tmp_path):
    found = ran(config("lsq-w2a2", replace(TINY, float_epochs=1, epochs=1)), tmp_path)
    assert found.result["exact"]
    assert found.result["operations"]["float"] == 0


def test_another_float_twin_is_refused():
    with pytest.raises(ValueError, match="its float twin has other layers"):
        with_weights(nn.Sequential(nn.Linear(3, 2)), nn.Sequential(nn.Linear(2, 3)))


def test_other_data_than_the_sweeps_is_refused(tmp_path):
    wrong = config("w1a1")
    wrong["data"]["sha256"] = "0"
    with pytest.raises(ValueError, match="not the same data here"):
        ran(wrong, tmp_path)
