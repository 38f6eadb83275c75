"""A disk that is really full, or really read-only, and two sweeps that really share a store."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lowbit.sweep import store as storing
from lowbit.sweep.config import by_key
from lowbit.sweep.store import Store, StoreError

TRIALS, SIZE = 9, "12m"  # a network of the toy sweep takes 2 MiB


@pytest.fixture
def disk(tmp_path):
    """A small file system; skipped where the system does not let us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    try:
        subprocess.run(options, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system can be mounted by root alone")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up_loses_nothing(disk, toy, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(storing.tempfile, "tempdir", str(elsewhere))
    with pytest.raises(StoreError, match="the disk is full") as error:
        toy.swept(disk / "store", toy.configs(TRIALS), toy.Settings("inline"))
    store = Store(disk / "store")
    kept = store.finished()
    assert 3 <= len(kept) < TRIALS
    assert not store.damaged
    assert not list(store.folder.rglob("*.unfinished"))
    (rescued,) = elsewhere.iterdir()
    assert str(rescued) in str(error.value)
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    for file in rescued.iterdir():  # as the message says
        place = store.results if file.suffix == ".json" else store.networks
        shutil.copy(file, place)
    again = toy.swept(store.folder, toy.configs(TRIALS), toy.Settings("inline"))
    assert again.skipped == len(kept) + 1
    assert again.done.keys() == by_key(toy.configs(TRIALS)).keys()
    assert not (store.folder / "recomputed").exists()


def test_a_disk_that_may_not_be_written_is_refused(disk, toy):
    toy.swept(disk / "store", toy.configs(1), toy.Settings("inline"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreError, match=r"Read-only file system.*--store a folder that you may"):
        toy.swept(disk / "store", toy.configs(2), toy.Settings("inline"))
    assert len(Store(disk / "store").finished()) == 1


def test_two_sweeps_at_once_do_the_work_once(start, toy, tmp_path):
    """The second is told who holds the store, and finds all done when it comes back."""
    first = start(tmp_path, 45, "processes")
    while not list((tmp_path / "results").glob("[0-9a-f]*.json")):
        assert first.poll() is None
    second = start(tmp_path, 45, "processes")
    _, said = second.communicate(timeout=120)
    assert second.returncode == 1
    assert (
        f"another sweep is using this store (process {first.pid} on {os.uname().nodename})" in said
    )
    assert "Traceback" not in said.partition("StoreError")[2]
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert toy.swept(tmp_path, toy.configs(45), toy.Settings("inline")).skipped == 45
    assert not Path(tmp_path / "recomputed").exists()
