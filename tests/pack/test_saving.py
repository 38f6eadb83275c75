"""A file is there whole or not at all, and an error leaves nothing behind."""

import os
import stat

import pytest

from lowbit import pack


def test_a_saved_graph_loads(graph, data, tmp_path):
    path = tmp_path / "net.safetensors"
    graph.save(path)
    assert path.read_bytes() == data
    assert pack.serialize(pack.load(path)) == data
    assert list(tmp_path.iterdir()) == [path]


def test_the_umask_decides_who_may_read(graph, tmp_path):
    before = os.umask(0o027)
    try:
        pack.save(graph, tmp_path / "net.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.safetensors").stat().st_mode) == 0o640


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said(graph, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        pack.save(graph, tmp_path / "net.safetensors")


def test_a_missing_folder_is_said(graph, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pack.save(graph, tmp_path / "nowhere" / "net.safetensors")


def test_the_error_names_the_file(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"\x00")
    with pytest.raises(pack.FormatError, match=r"net\.safetensors: the file is truncated"):
        pack.load(path)


def test_a_file_too_large_to_be_one_is_not_read(tmp_path):
    path = tmp_path / "net.safetensors"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    with pytest.raises(pack.FormatError, match="more than 2147483648 bytes"):
        pack.load(path)
