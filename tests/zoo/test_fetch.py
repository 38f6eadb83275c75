"""Files that are damaged, missing, or somewhere else: refused, fetched, never taken on trust."""

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lowbit import zoo
from lowbit.zoo.fetch import Unavailable, located


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder that is served over HTTP on this machine, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args) -> None:
        pass


@pytest.fixture
def remote(trained, server, monkeypatch):
    """The integer network's file, on the server alone."""
    folder, address = server
    here = trained.bundled / trained.card.graph.name
    here.rename(folder / here.name)
    monkeypatch.delenv("LOWBIT_OFFLINE")
    return replace(trained.card.graph, url=f"{address}/{here.name}"), folder / here.name


def test_a_bundled_file_is_read_from_the_package(trained):
    assert located(trained.card.graph).parent == trained.bundled


def test_a_damaged_file_of_the_package_is_refused(trained):
    path = trained.bundled / trained.card.graph.name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unavailable, match="damaged or missing") as error:
        zoo.load(trained.card.name)
    assert "\n" not in str(error.value)


def test_a_file_is_fetched_once(trained, remote):
    file, served = remote
    first = located(file)
    assert first.parent == trained.cache
    served.unlink()
    assert located(file) == first


def test_a_damaged_copy_is_fetched_again(remote):
    file, served = remote
    located(file).write_bytes(b"damaged")
    assert located(file).read_bytes() == served.read_bytes()


def test_a_file_of_another_hash_is_not_kept(trained, remote):
    file, served = remote
    served.write_bytes(b"something else")
    with pytest.raises(Unavailable, match="was not downloaded") as error:
        located(file)
    assert "\n" not in str(error.value)
    assert not (trained.cache / file.name).exists()


def test_without_a_network_the_error_is_one_line_with_the_way_out(trained, remote):
    file, _ = remote
    with pytest.raises(Unavailable, match="was not downloaded") as error:
        located(replace(file, url="http://127.0.0.1:9/nothing"))
    assert "yourself" in str(error.value)
    assert "\n" not in str(error.value)


def test_offline_nothing_is_downloaded(remote, monkeypatch):
    file, _ = remote
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")
    with pytest.raises(Unavailable, match="LOWBIT_OFFLINE=1 forbids"):
        located(file)
