"""Compiled kernels on disk: found again, never trusted blindly, never in the way."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.kernels import cache

LOWBIT = re.compile(r"^from lowbit(?:\.(\w+)[.\w]*)? import (?:(?<=lowbit import )(\w+))?", re.M)
COMPILE = """
import sys
from lowbit.kernels import entry

def one_more(x):
    return x + 1

print(entry.compiled(one_more, "one_more", 1)(41), "numba" in sys.modules)
"""


def run(directory: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", COMPILE],
        env={**os.environ, "LOWBIT_CACHE": str(directory), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_second_process_compiles_nothing_and_needs_no_compiler(tmp_path):
    assert run(tmp_path).stdout.split() == ["42", "True"]
    assert run(tmp_path).stdout.split() == ["42", "False"]
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1] + b"?"])
def test_a_damaged_file_is_wiped_once(tmp_path, damage):
    run(tmp_path)
    (file,) = tmp_path.glob("*/one_more")
    file.write_bytes(damage(file.read_bytes()))
    again = run(tmp_path)
    assert again.stdout.split() == ["42", "True"]
    assert "cache wiped" in again.stderr
    assert run(tmp_path).stdout.split() == ["42", "False"]


def test_without_a_directory_there_is_one_warning(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = run(blocked)
    assert result.stdout.split() == ["42", "True"]
    assert result.stderr.count("compiled anew in every process") == 1


@pytest.mark.parametrize("other", [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_BOUNDSCHECK": "1"}])
def test_another_cpu_or_compiler_has_another_directory(tmp_path, other):
    run(tmp_path)
    run(tmp_path, **other)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_directory_that_others_may_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="can be written by other users"):
        cache.check(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no user ids here")
def test_somebody_elses_directory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError, match="belongs to another user"):
        cache.check(tmp_path)


def test_every_source_is_in_the_key():
    """All files of the kernels, and what they take from elsewhere in lowbit."""
    paths = cache.sources()
    assert {"window.py", "generic.py", "simd.py", "loop.py"} <= {path.name for path in paths}
    taken = {match for path in paths for match in LOWBIT.findall(path.read_text())}
    outside = {part for pair in taken for part in pair if part and part != "kernels"}
    assert outside == {"exponential", "spec"} == {p.stem for p in paths[-2:]}


PLUS = """
import sys
from lowbit.kernels import cache, entry

def plus(n):
    @entry.inner
    def inside(x):
        return x + n
    def run(x):
        return inside(x)
    return run

for n in sys.argv[1:]:
    made = entry.compiled(plus(int(n)), f"plus_{n}", 1)
    print(made(40), cache.load(f"plus_{n}").symbol)
"""


def test_code_of_several_processes_has_symbols_of_its_own(tmp_path):
    """What one process loads was compiled by others, each of which counts its functions from 1."""
    environment, symbols = {**os.environ, "LOWBIT_CACHE": str(tmp_path)}, {}
    for numbers in ("1", "12", "213"):
        command = [sys.executable, "-c", PLUS, *numbers]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for number, told in zip(numbers, done.stdout.splitlines(), strict=True):
            result, symbol = told.split()
            assert int(result) == 40 + int(number)
            assert symbols.setdefault(number, symbol) == symbol
    assert len(set(symbols.values())) == 3
