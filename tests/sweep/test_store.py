"""The store: what is in it is whole, and what was in it stays."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowbit.sweep import store as storing
from lowbit.sweep.config import by_key, canonical, key
from lowbit.sweep.record import parse, serialize
from lowbit.sweep.store import Store, StoreError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
FINITE = SCALARS.filter(lambda x: x not in (float("inf"), float("-inf")))
JSON = st.recursive(
    FINITE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.dictionaries(st.text(), JSON, max_size=4)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def shuffled(value):
    """An equal value whose dictionaries were filled in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(part) for part in value] if isinstance(value, list) else value


@PATIENT
@given(CONFIGS)
def test_a_name_does_not_depend_on_the_order(config):
    assert key(shuffled(config)) == key(config)
    assert json.loads(canonical(config)) == config


@PATIENT
@given(CONFIGS, CONFIGS)
def test_different_trials_have_different_names(one, other):
    assert (key(one) == key(other)) == (canonical(one) == canonical(other))


@pytest.mark.parametrize("value", [{"lr": float("nan")}, {"lr": {1, 2}}, {"lr": float("inf")}])
def test_what_is_not_json_has_no_name(value):
    with pytest.raises(ValueError, match="not plain JSON"):
        key(value)


@PATIENT
@given(CONFIGS, JSON)
def test_a_record_comes_back_as_it_was(config, result):
    record = {"config": config, "result": result}
    assert parse(serialize(record), key(config)) == {**record, "key": key(config)}


@PATIENT
@given(st.data(), CONFIGS, JSON)
def test_a_damaged_record_is_known(data, config, result):
    whole = serialize({"config": config, "result": result})
    place = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(ValueError, match=r"JSON|trial|checksum|name"):
        parse(whole[:place], key(config))
    spoiled = bytearray(whole)
    spoiled[place] ^= data.draw(st.integers(1, 255))
    try:
        read = parse(bytes(spoiled), key(config))
    except ValueError:
        return
    assert read == parse(whole, key(config))  # white space between two tokens


@pytest.fixture
def record(toy) -> dict:
    config = toy.config(0)
    return {"config": config, "result": toy.result(5, config), "measured": toy.measured(5)}


@pytest.fixture
def full(tmp_path, toy):
    """A store with 9 finished trials."""
    toy.swept(tmp_path / "full", toy.configs(9), toy.Settings("inline"))
    return Store(tmp_path / "full")


def test_finished_trials_are_skipped(full, toy):
    again = toy.swept(full.folder, toy.configs(12), toy.Settings("inline"))
    assert (len(again.done), again.skipped) == (12, 9)
    assert not (full.folder / "recomputed").exists()


def test_merging_is_copying(full, toy, tmp_path):
    toy.swept(tmp_path / "other", toy.configs(18)[6:], toy.Settings("inline"))
    shutil.copytree(tmp_path / "other", full.folder, dirs_exist_ok=True)
    merged = toy.swept(full.folder, toy.configs(18), toy.Settings("inline"))
    assert (len(merged.done), merged.skipped) == (18, 18)
    assert merged.done.keys() == by_key(toy.configs(18)).keys()


def test_every_network_is_kept(full, toy):
    for name in full.finished():
        assert (full.networks / f"{name}.safetensors").read_bytes() == toy.network(name)


def test_a_damaged_file_is_told_and_run_again(full, toy):
    path = sorted(full.results.iterdir())[0]
    path.write_bytes(path.read_bytes()[:-20])
    assert path.stem not in full.finished()
    assert full.damaged[path] == "not whole JSON"
    assert toy.swept(full.folder, toy.configs(9), toy.Settings("inline")).skipped == 8
    assert path.stem in Store(full.folder).finished()


def test_other_files_are_no_results(full):
    (full.results / "notes.json").write_text("{}")
    (full.results / f".{'0' * 64}.json.unfinished").write_text("{")
    assert len(full.finished()) == 9
    assert not full.damaged


def test_a_failure_is_kept_until_the_trial_succeeds(tmp_path, toy, record):
    failing = {**toy.config(0), "seed": -1}
    swept = toy.swept(tmp_path, [failing, toy.config(1)], toy.Settings("inline"))
    (failure,) = swept.failed.values()
    assert failure["error"] == "ArithmeticError: seed -1"
    assert "toy_sweep.py" in failure["traceback"]
    assert len(swept.done) == 1
    store = Store(tmp_path)
    store.save({**record, "config": failing})
    assert not store.failed()


def test_a_second_sweep_on_the_store_is_refused(tmp_path, toy):
    with (
        Store(tmp_path).locked(),
        pytest.raises(StoreError, match=rf"another sweep .*process {os.getpid()}"),
    ):
        toy.swept(tmp_path, toy.configs(1), toy.Settings("inline"))
    assert toy.swept(tmp_path, toy.configs(1), toy.Settings("inline")).done


def test_a_place_that_cannot_be_written_is_refused(tmp_path, toy):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/store: no store .*Not a directory.*--store"):
        toy.swept(tmp_path / "file" / "store", toy.configs(1), toy.Settings("inline"))


def test_a_full_disk_loses_nothing(full, record, monkeypatch, tmp_path):
    monkeypatch.setattr(storing.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(storing.os, "fsync", no_space)
    record["config"]["seed"] = 99
    with pytest.raises(StoreError, match="the disk is full") as error:
        full.save(record, b"network")
    monkeypatch.undo()
    assert len(full.finished()) == 9
    assert not list(full.folder.rglob("*.unfinished"))
    (rescued,) = tmp_path.glob("lowbit-sweep-*")
    assert str(rescued) in str(error.value)
    shutil.copy(rescued / f"{key(record['config'])}.json", full.results)
    assert len(full.finished()) == 10


def no_space(handle) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_killed_sweep_left_half_written_goes(full):
    left = full.results / f".{'0' * 64}.json.unfinished"
    left.write_text("{")
    with full.locked():
        assert not left.exists()
    assert isinstance(full.folder, Path)
