"""Who measures is alone."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from lowbit.sweep.turns import Turns

SPAWN = multiprocessing.get_context("spawn")


def worker(folder: str, number: int, rounds: int) -> None:
    """Works and measures by turns; each notes when it began and ended."""
    notes = []
    with Turns(Path(folder)) as turns:
        for _ in range(rounds):
            begun = time.monotonic_ns()
            time.sleep(0.002)
            notes.append(f"work {begun} {time.monotonic_ns()}")
            turns.step_aside()
        with turns.measuring():
            begun = time.monotonic_ns()
            time.sleep(0.02)
            notes.append(f"measure {begun} {time.monotonic_ns()}")
    (Path(folder) / f"{number}.notes").write_text("\n".join(notes))


def test_nobody_works_while_another_measures(tmp_path):
    crew = [SPAWN.Process(target=worker, args=(str(tmp_path), i, 20 * i + 20)) for i in range(3)]
    for process in crew:
        process.start()
    for process in crew:
        process.join(60)
    spans = [line.split() for f in tmp_path.glob("*.notes") for line in f.read_text().splitlines()]
    spans = [(kind, int(begun), int(ended)) for kind, begun, ended in spans]
    measured = [span for span in spans if span[0] == "measure"]
    assert len(measured) == 3
    for one in measured:
        others = [span for span in spans if span != one]
        assert all(ended <= one[1] or one[2] <= begun for _, begun, ended in others)


def hold(folder: str) -> None:
    with Turns(Path(folder)) as turns, turns.measuring():
        (Path(folder) / "held").touch()
        time.sleep(60)


def test_a_measurement_that_is_killed_lets_go(tmp_path):
    process = SPAWN.Process(target=hold, args=(str(tmp_path),))
    process.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Turns(tmp_path) as turns, turns.measuring():
        pass


def test_a_folder_of_anybody_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lowbit.sweep.turns.tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / f"lowbit-turns-{os.getuid()}").mkdir()
    (tmp_path / f"lowbit-turns-{os.getuid()}").chmod(0o777)
    with pytest.raises(PermissionError, match="can be written by other users"), Turns():
        pass
