"""IDX files: what is written is read, and every damaged file is refused by name."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lowbit.data.idx import DataError, dump, parse, read_idx, unpack

HERE = Path("images-idx3-ubyte")
GOOD = dump(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))


@given(arrays)
def test_parse_inverts_dump(array):
    back = parse(dump(array), HERE)
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_known_bytes():
    raw = bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9])
    assert parse(raw, HERE).tolist() == [[7, 8, 9]]


@given(st.integers(0, len(GOOD) - 1))
def test_every_truncation_is_refused_by_name(size):
    with pytest.raises(DataError, match="images-idx3-ubyte: "):
        parse(GOOD[:size], HERE)


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(raw):
    with suppress(DataError):
        assert dump(parse(raw, HERE)) == raw


@pytest.mark.parametrize("kind", [9, 11, 13])
def test_other_types_than_bytes_are_refused(kind):
    with pytest.raises(DataError, match="unsigned bytes"):
        parse(GOOD[:2] + bytes([kind]) + GOOD[3:], HERE)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b[:40] + b"\xff" * 8 + b[48:], lambda b: b"plain"]
)
def test_a_damaged_gzip_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(GOOD)))
    with pytest.raises(DataError, match=r"labels\.gz"):
        unpack(path)


def test_other_content_than_published_is_refused(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(GOOD)
    with pytest.raises(DataError, match="not the published data"):
        read_idx(path, frozenset({"0" * 64}))
