"""A trial that two processes train together, by Lightning's DDP."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowbit.sweep.executors.attempt import Job, Site
from lowbit.sweep.executors.queue import Queue
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.store import Store

ROOT, SCRIPT = Path(__file__).parents[2], Path(__file__).with_name("team_sweep.py")


def start(*arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen, folder: Path) -> tuple[dict, bytes]:
    """The trial's result and network."""
    try:
        _, said = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said
    ((key, record),) = Store(folder).finished().items()
    return record["result"], (folder / "networks" / f"{key}.safetensors").read_bytes()


def job(key: str, ranks: int) -> Job:
    return Job(key, {"recipe": {"ranks": ranks}}, Site(Path()))


def test_a_team_waits_for_room():
    queue = Queue([job("four", 4), job("two", 2), job("one", 1)], None)
    assert [queue.take(room).key for room in (3, 1)] == ["two", "one"]
    assert queue.take(3) is None
    assert queue.take().key == "four"


def test_a_batch_is_cut_into_equal_parts():
    with pytest.raises(ValueError, match="batch_size is a multiple of ranks"):
        Recipe(batch_size=128, ranks=3)


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> tuple[dict, bytes]:
    folder = tmp_path_factory.mktemp("inline")
    return finished(start(folder, "inline"), folder)


@pytest.mark.slow
def test_a_team_trains_a_network(together):
    result, _ = together
    assert result["exact"]
    assert result["accuracy"] > 0.3


@pytest.mark.slow
def test_where_the_ranks_run_changes_nothing(together, tmp_path):
    assert finished(start(tmp_path, "processes"), tmp_path) == together


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["helper", "worker"])
def test_a_rank_that_is_killed_takes_its_team_along(together, tmp_path, victim):
    """And the trial is begun anew, to the same result."""
    process = start(tmp_path, "processes")
    end = time.monotonic() + 120
    while not list(tmp_path.glob("unfinished/*/*.ckpt")):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)
    pairs = [(w, h) for w in children(process.pid) for h in children(w)]
    os.kill(pairs[0][victim == "helper"], signal.SIGKILL)
    assert finished(process, tmp_path) == together


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found = [int(child) for child in text.split()]
        return [c for c in found if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    except OSError:
        return []
