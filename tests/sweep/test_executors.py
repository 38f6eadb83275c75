"""The executors: the same trials, the same store and the same report from each."""

import pytest

from lowbit.sweep.store import Store


def results(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "results").iterdir()}


@pytest.fixture
def inline(toy, tmp_path) -> dict[str, bytes]:
    toy.swept(tmp_path / "inline", toy.configs(9), toy.Settings("inline"))
    return results(tmp_path / "inline")


def test_processes_find_the_same(start, inline, tmp_path):
    ran = start(tmp_path / "here", 9, "processes")
    assert ran.wait(timeout=120) == 0, ran.stderr.read()
    ran.stderr.close()
    assert results(tmp_path / "here") == inline


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own, of its own parts
def test_two_ray_workers_find_the_same(start, inline, tmp_path):
    pytest.importorskip("ray", reason="the extra lowbit[ray] is not installed")
    ran = start(tmp_path / "here", 9, "ray", 2)
    _, said = ran.communicate(timeout=300)
    assert ran.returncode == 0, said
    assert results(tmp_path / "here") == inline


def test_a_process_that_always_dies_is_a_failure(start, tmp_path):
    ran = start(tmp_path, 0, "processes")
    _, said = ran.communicate(timeout=120)
    assert ran.returncode == 1, said
    store = Store(tmp_path)
    (failure,) = store.failed().values()
    assert failure["error"] == (
        "its process died 3 times, the last time of SIGKILL (out of memory?)"
    )
    assert len(store.finished()) == 1
