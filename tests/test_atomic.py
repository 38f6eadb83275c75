"""What is written is there whole, and what was there stays."""

import errno
import subprocess
import sys

import pytest

from lowbit import atomic


def no_space(*_) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"old")
    atomic.write(path, "new: é")
    assert path.read_text() == "new: é"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.os, step, no_space)
    with pytest.raises(OSError, match="No space"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_so_does_an_exception_of_who_writes(tmp_path):
    def interrupted() -> None:
        with atomic.replacing(tmp_path / "file") as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_a_hidden_file_that_says_what_it_is(tmp_path):
    code = (
        "import os, sys\n"
        "from lowbit import atomic\n"
        "atomic.os.replace = lambda *_: os._exit(9)\n"
        "atomic.write(sys.argv[1], b'new')"
    )
    path = tmp_path / "file"
    path.write_bytes(b"old")
    ran = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ran.returncode == 9
    assert path.read_bytes() == b"old"
    (left,) = (p.name for p in tmp_path.iterdir() if p != path)
    assert left.startswith(".file.")
    assert left.endswith(atomic.UNFINISHED)


def test_the_error_names_the_file_that_was_wanted(tmp_path):
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError) as error:
        atomic.write(path, b"")
    assert error.value.filename == str(path)
