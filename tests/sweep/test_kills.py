"""Whatever is killed, and whenever: each trial is there once, whole, and not computed twice."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from lowbit.sweep.config import by_key
from lowbit.sweep.store import Store


@pytest.mark.parametrize(
    ("kills", "trials"),
    [(12, 90), pytest.param(100, 630, marks=pytest.mark.slow)],
    ids=["dozen", "hundred"],
)
def test_kills_change_nothing(toy, start, tmp_path, kills, trials):
    chance = random.Random(kills)
    killed = killed_at_random(start, tmp_path / "killed", trials, kills, chance)
    assert killed == kills
    process = start(tmp_path / "killed", trials, "processes")
    assert process.wait(timeout=300) == 0, process.stderr.read()
    process.stderr.close()
    assert_same_as_unkilled(toy, tmp_path, trials)


def killed_at_random(start, store: Path, trials: int, kills: int, chance: random.Random) -> int:
    """Kills workers, and every third time the driver; gives up when all trials are done."""
    count = 0
    process = start(store, trials, "processes")
    while count < kills and len(results(store)) < trials:
        wait_for(partial(moved, process, store, len(results(store))))
        time.sleep(chance.random() * 0.1)
        victims = [process.pid] if count % 3 == 2 else workers(process.pid)
        if victims and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
                count += 1
        if process.poll() is not None or victims == [process.pid]:
            process.wait()
            process.stderr.close()
            process = start(store, trials, "processes")
    end(process)
    return count


def moved(process, store: Path, before: int) -> bool:
    return process.poll() is not None or len(results(store)) > before


def end(process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def results(store: Path) -> list[Path]:
    return list((store / "results").glob("[0-9a-f]*.json"))


def wait_for(happened, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.005)


def workers(pid: int) -> list[int]:
    """The processes that the driver spawned, its resource tracker left out."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        children = [int(child) for child in text.split()]
        return [c for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    except OSError:
        return []


def assert_same_as_unkilled(toy, folder: Path, trials: int) -> None:
    store, wanted = Store(folder / "killed"), by_key(toy.configs(trials))
    found = store.finished()
    assert found.keys() == wanted.keys()
    assert not store.damaged
    assert not (store.folder / "recomputed").exists()
    assert not list(store.folder.rglob("*.unfinished"))
    assert all((store.networks / f"{k}.safetensors").read_bytes() == toy.network(k) for k in found)
    calm = toy.swept(folder / "calm", toy.configs(trials), toy.Settings("inline"))
    again = toy.swept(folder / "killed", toy.configs(trials), toy.Settings("inline"))
    assert again.skipped == trials
    calm.write_report(folder / "calm report")
    again.write_report(folder / "killed report")
    for file in (folder / "calm report").iterdir():
        assert (folder / "killed report" / file.name).read_bytes() == file.read_bytes()


def test_ctrl_c_keeps_what_has_ended(start, tmp_path):
    process = start(tmp_path, 45, "processes")
    wait_for(lambda: len(results(tmp_path)) >= 3)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    kept = Store(tmp_path).finished()
    assert 3 <= len(kept) < 45
    again = start(tmp_path, 45, "processes")
    assert again.wait(timeout=60) == 0
    again.stderr.close()
    assert kept.items() <= Store(tmp_path).finished().items()
    assert not (tmp_path / "recomputed").exists()


def test_workers_end_with_their_driver(start, tmp_path):
    process = start(tmp_path, 900, "processes")
    wait_for(lambda: len(results(tmp_path)) >= 1)
    crew = workers(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert crew
    wait_for(lambda: not any(running(pid) for pid in crew), seconds=10)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


KILLED_AT = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import toy_sweep as toy
from lowbit import atomic

calls, fsync, replace = iter(range(100)), os.fsync, os.replace

def counted(function):
    def call(*arguments):
        if next(calls) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

atomic.os.fsync, atomic.os.replace = counted(fsync), counted(replace)
toy.swept({store!r}, toy.configs(1), toy.Settings("inline"))
"""
STEPS = ("network", "its name", "its folder", "result", "its name too", "its folder too")


@pytest.mark.parametrize("number", range(len(STEPS)), ids=STEPS)
def test_a_kill_within_a_write(toy, tmp_path, number):
    """Before each of the six calls that make a finished trial last."""
    folder, store = str(Path(__file__).parent), str(tmp_path / "killed")
    code = KILLED_AT.format(folder=folder, number=number, store=store)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    left = Store(store)
    assert len(left.finished()) == (number == len(STEPS) - 1)
    assert not left.damaged
    (key,) = toy.swept(store, toy.configs(1), toy.Settings("inline")).done
    assert (left.networks / f"{key}.safetensors").read_bytes() == toy.network(key)
    assert not list(left.folder.rglob("*.unfinished"))
    assert not (left.folder / "recomputed").exists()
