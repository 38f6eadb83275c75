"""The race: what takes part, what is said of who cannot, and what the rows hold."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lowbit import nn as lnn
from lowbit.bench import race
from lowbit.bench.networks import NETWORKS, Entry, entry
from lowbit.bench.peers import PEERS, Peer
from lowbit.bench.race import Race, fastest
from lowbit.bench.results import provenance, write_rows
from lowbit.bench.subject import known
from lowbit.cli import main
from lowbit.plain import plain
from lowbit.sweep.models import build
from lowbit.sweep.schemes import scheme

SMALL = "vgg_mini(shape=[1,12,12], exact=True)"


def broken(subject):
    raise ZeroDivisionError("broken\non purpose")


def missing(subject):
    raise ModuleNotFoundError(name="no_such_package")


@pytest.fixture(autouse=True)
def two_peers(monkeypatch):
    eager = PEERS[0]
    extra = (Peer("broken", "int8", "", broken), Peer("missing", "int8", "", missing))
    monkeypatch.setattr(race, "PEERS", (eager, *extra))


def test_a_race_times_all_and_says_who_could_not_run():
    run = Race(Entry(SMALL, ((SMALL, "ptq-w8a8"), (SMALL, "w1a1"))), 1, 2, rounds=3)
    rows = run.rows(lambda text: None, with_steps=True)
    assert {(row["peer"], row["dtype"]) for row in rows} == {
        ("torch eager", "float32"),
        (None, "int8"),
        (None, "w1a1"),
    }
    assert run.absent == {
        "broken": "ZeroDivisionError: broken on purpose",
        "missing": "no_such_package is not installed (lowbit[bench])",
    }
    assert [row["median_ms"] for row in rows] == sorted(row["median_ms"] for row in rows)
    by_type = {row["dtype"]: row for row in rows}
    assert by_type["float32"]["error"] == 0
    assert by_type["int8"]["error"] < 0.1
    assert by_type["w1a1"]["error"] is None
    assert by_type["w1a1"]["bytes"] < by_type["int8"]["bytes"]
    for found in run.steps.values():
        assert sum(step.share for step in found) == pytest.approx(1)
    assert "fastest is" in fastest(rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_table_can_be_built(name):
    for network, width in NETWORKS[name].ours:
        found, shape = known(network)
        assert len(shape) == 3
        assert isinstance(build(found, scheme(width)), nn.Module)


def test_given_schemes_take_the_place_of_the_tables():
    assert entry("resnet18", ["w1a1"]).ours == (("resnet18", "w1a1"),)
    assert entry("mobilenet_v2", []).ours == (("mobilenet_v2", "ptq-w8a8"),)
    own = ("birealnet18(exact=True)", "w1a1")
    assert entry("birealnet18", []).ours == (("birealnet18", "ptq-w8a8"), own)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="no architecture 'resnet19'"):
        known("resnet19")


def test_plain_is_the_same_network_in_torchs_own_layers():
    torch.manual_seed(0)
    ours = nn.Sequential(
        lnn.Conv2d(1, 4, 3), lnn.BatchNorm2d(4), lnn.GlobalAvgPool2d(), lnn.Linear(4, 2)
    ).eval()
    x = torch.rand(2, 1, 8, 8)
    found = plain(ours)
    assert not any(type(part).__module__.startswith("lowbit") for part in found.modules())
    assert type(ours[0]) is lnn.Conv2d
    torch.testing.assert_close(found(x), ours(x))


def test_what_quantizes_has_no_plain_form():
    with pytest.raises(ValueError, match="layer '0' quantizes"):
        plain(nn.Sequential(lnn.Linear(4, 2, weight="ste_sign")))


def test_the_files_name_is_the_provenance(tmp_path):
    name = provenance("models", 2)
    assert name.startswith("models_")
    assert name.endswith("_2-threads.csv")
    write_rows(tmp_path / "new" / name, [{"a": 1, "b": None}])
    with (tmp_path / "new" / name).open() as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}]


def test_the_command_prints_an_object_a_line(monkeypatch, capsys):
    words = ["bench", "models", SMALL, "--scheme", "w1a1", "--rounds", "2", "--json"]
    monkeypatch.setattr(sys, "argv", ["lowbit", *words])
    with pytest.raises(SystemExit) as exit:
        main()
    assert not exit.value.code
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert {row["peer"] for row in rows} == {None, "torch eager"}
    assert all(np.isfinite(row["median_ms"]) for row in rows)
    assert {"op", "shape", "dtype", "kernel", "threads", "gops", "ceiling_gops"} <= rows[0].keys()
    assert "without missing: no_such_package is not installed (lowbit[bench])" in said.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # other libraries', of their own parts
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_runs_the_same_network(peer, monkeypatch):
    pytest.importorskip(peer.package.replace("-", "_"), reason="the extra lowbit[bench]")
    monkeypatch.setattr(race, "PEERS", (peer,))
    run = Race(Entry("mobilenet_v1(shape=[3,32,32], classes=10)", ()), 1, 1, rounds=2)
    rows = run.rows(lambda text: None)
    assert not run.absent
    assert rows[0]["error"] < (0.2 if peer.dtype == "int8" else 1e-3)
