"""Rows that are nearly lines: what they take, that they come back, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowbit import pack
from lowbit.ir import Graph, TensorType
from lowbit.pack import bits, container, lines, lines_of_floats
from lowbit.spec import QuantSpec, unsigned

SPEC = QuantSpec(-1000, 3000)


def ceiling_lines(starts, slopes, count: int, spec: QuantSpec = SPEC) -> np.ndarray:
    """ceil(start + slope k), cut off: in float64, exact for the numbers here."""
    place = np.arange(count)
    exact = np.ceil(np.array(starts)[:, None] + np.array(slopes)[:, None] * place)
    return exact.clip(spec.lo, spec.hi).astype(np.int64)


def file_of(values: np.ndarray, spec: QuantSpec) -> Graph:
    type_ = TensorType(values.shape, spec)
    return Graph({}, {"c": TensorType(values.shape, spec, values.astype(type_.dtype))}, (), ("c",))


def test_a_row_is_its_line_and_one_bit_a_number():
    """Thresholds of 8 bits: 12 + ceil(255 / 8) bytes instead of 12 bits each."""
    values = ceiling_lines([-400.3, 7.25, 100.0], [9.77, 3.01, 0.0], 255)
    rows = lines.packed(values, SPEC)
    assert rows.shape == (3, 12 + 32)
    assert rows.nbytes < bits.size(values.size, SPEC) == 3 * 255 * 12 // 8 + 1
    assert np.array_equal(lines.unpacked(rows, values.shape, SPEC), values)


def test_the_bytes_are_those_of_the_equation():
    """Whole numbers of slope 3 from -5: a = -5 2^16, b = 3 2^16, no e at all."""
    rows = lines.packed(ceiling_lines([-5], [3], 16), SPEC)
    a, b = (-5 << 16).to_bytes(6, "little", signed=True), (3 << 16).to_bytes(6, "little")
    assert rows.tobytes() == a + b
    e = bytes([0b10000001, 0b00000001])
    values = lines.unpacked(np.frombuffer(a + b + e, np.uint8)[None], (1, 16), SPEC)
    assert values[0].tolist() == [-5 + 3 * k + (k in (0, 7, 8)) for k in range(16)]


@given(
    st.lists(st.tuples(st.floats(-5000, 5000), st.floats(0, 5000)), min_size=1, max_size=5),
    st.integers(8, 256),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_lines_with_noise_come_back(rows, count, noise, seed):
    """Rows that lie inside the alphabet, leave it at either end, or jump over it."""
    values = ceiling_lines(*zip(*rows, strict=True), count)
    values += np.random.default_rng(seed).integers(0, noise + 1, values.shape)
    values = np.maximum.accumulate(values.clip(SPEC.lo, SPEC.hi), axis=1)
    graph = file_of(values, SPEC)
    assert pack.parse(pack.serialize(graph)) == graph
    found = lines.packed(values, SPEC)
    if found is not None:
        assert np.array_equal(lines.unpacked(found, values.shape, SPEC), values)
        assert pack.payload_bytes(graph.constants["c"]) == found.nbytes


@pytest.mark.parametrize("below", [0, 1, 7, 19, 20])
@pytest.mark.parametrize("inside", [[], [SPEC.lo + 1], [77], [SPEC.hi - 1]], ids=str)
def test_rows_with_one_number_inside_or_none(below, inside):
    row = [*[SPEC.lo] * below, *inside, *[SPEC.hi] * 20][:20]
    values = np.array([row, row])
    rows = lines.packed(values, SPEC)
    assert rows.shape == (2, 12), "a line says it all"
    assert np.array_equal(lines.unpacked(rows, values.shape, SPEC), values)


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        (np.arange(20)[None, ::-1], unsigned(5)),
        (np.arange(7)[None], QuantSpec(0, 2**30)),
        (np.arange(20), QuantSpec(0, 2**30)),
        (np.arange(0, 40, 2)[None], QuantSpec(0, 2**30, 2)),
        (np.arange(8)[None], unsigned(3)),
        (np.arange(20)[None] ** 4, QuantSpec(0, 19**4)),
        (np.array([[0] * 8 + [2**31 - 1] * 8]), QuantSpec(-(2**31), 2**31 - 1)),
    ],
    ids=["falling", "few", "a row", "steps of 2", "short as it is", "no line", "too steep"],
)
def test_what_is_no_line_stays_as_it_is(values, spec):
    assert lines.packed(values, spec) is None
    graph = file_of(values, spec)
    assert pack.parse(pack.serialize(graph)) == graph


BYTES = np.zeros((3, 12 + 2), np.uint8)


@pytest.mark.parametrize(
    ("data", "shape", "spec", "message"),
    [
        (BYTES, (2, 16), SPEC, "the bytes of its shape"),
        (BYTES[:, :11], (3, 16), SPEC, "the bytes of its shape"),
        (BYTES[:, :13], (3, 16), SPEC, "the bytes of its shape"),
        (BYTES[:, :12], (3, 7), SPEC, "the bytes of its shape"),
        (BYTES, (48,), SPEC, "the bytes of its shape"),
        (BYTES, (3, 16), QuantSpec(-1000, 3000, 2), "the bytes of its shape"),
        (np.zeros((3, 12 + 34), np.uint8), (3, 16), SPEC, "the bytes of its shape"),
        (BYTES | np.uint8(128), (3, 15), SPEC, "filled with zeros"),
        (BYTES | np.uint8(1), (3, 16), QuantSpec(-5, 0), "keeps to"),
    ],
)
def test_rows_that_cannot_be_are_refused(data, shape, spec, message):
    with pytest.raises(ValueError, match=message):
        lines.unpacked(data, shape, spec)


def test_the_largest_numbers_a_row_can_name_are_cut_off():
    """No a and b, however chosen, leave the alphabet or raise."""
    rows = np.full((1, 12), 255, np.uint8)
    rows[0, [5, 11]] = 127  # both 2^47 - 1
    values = lines.unpacked(rows, (1, 256), SPEC)
    assert SPEC.lo <= values.min() <= values.max() <= SPEC.hi


def test_a_small_file_is_no_large_matrix():
    """Rows are of 12 bytes at least, and of 256 columns at most; more rows than one part."""
    wide = np.arange(257)[None] * 1000
    assert lines.packed(wide, QuantSpec(0, 256_000)) is None
    assert lines.packed(wide[:, 1:], QuantSpec(0, 256_000)) is not None
    with pytest.raises(ValueError, match="the bytes of its shape"):
        lines.unpacked(np.zeros((1, 12), np.uint8), (1, 257), SPEC)
    with pytest.raises(ValueError, match="the bytes of its shape"):
        lines.unpacked(np.zeros((1, 12), np.uint8), (2**27, 8), SPEC)


def test_many_rows_come_back():
    rng = np.random.default_rng(0)
    values = ceiling_lines(rng.uniform(-900, 900, 9000), rng.uniform(0, 99, 9000), 15)
    rows = lines.packed(values, SPEC)
    assert np.array_equal(lines.unpacked(rows, values.shape, SPEC), values)


def floats(start: float, slope: float, count: int, noise: int = 0, seed: int = 0) -> np.ndarray:
    """A float32 line, each of its numbers moved by up to `noise` places."""
    line = (start + slope * np.arange(count)).astype(np.float32)
    rank = lines_of_floats.rank(line)
    rank += np.random.default_rng(seed).integers(-noise, noise + 1, count)
    pattern = np.where(rank < 0, -(2**31) - 1 - rank, rank).astype(np.int32)
    return np.sort(pattern.view(np.float32))[None]


def test_floats_are_ranked_as_they_are_ordered():
    tiny = np.float32(1e-45)
    values = np.array([-np.inf, -2.0, -1.0, -tiny, -0.0, 0.0, tiny, 1.0, np.inf], np.float32)
    rank = lines_of_floats.rank(values)
    assert (rank[1:] > rank[:-1]).all()
    assert rank[3:7].tolist() == [-2, -1, 0, 1]
    assert lines_of_floats.rank(np.nextafter(values[7:8], np.float32(2))) == rank[7] + 1


@given(
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.floats(0, 2.0**100, width=32),
    st.integers(8, 256),
    st.integers(0, 2**12),
    st.integers(0, 2**32 - 1),
)
def test_lines_of_floats_come_back(start, slope, count, noise, seed):
    values = floats(start, slope, count, noise, seed)
    graph = Graph({}, {"c": TensorType(values.shape, None, values)}, (), ("c",))
    read = pack.parse(pack.serialize(graph)).constants["c"].value
    assert read.tobytes() == values.tobytes()
    found = lines.packed(values, None)
    assert found is not None or noise > 50 or count < 30
    if found is not None:
        assert found.nbytes < values.nbytes
        assert lines.unpacked(found, values.shape, None).tobytes() == values.tobytes()


def test_a_row_of_floats_is_its_line_and_a_few_bits_a_number():
    """Exact in float64: float32(0.25 + k / 3) lacks nothing, which takes 1 bit with its sign."""
    values = (0.25 + np.float64(1 / 3) * np.arange(255)).astype(np.float32)[None]
    assert lines.packed(values, None).shape[1] <= 16 + 2 * 32
    assert lines.packed(np.full((2, 255), -0.0, np.float32), None).shape == (2, 16 + 32)


@pytest.mark.parametrize("below", [0, 1, 100, 254, 255])
def test_thresholds_of_a_channel_that_is_always_the_same(below):
    """Reached by whatever comes, and then by nothing, beside a channel that is not."""
    still = np.array([-np.inf] * below + [np.inf] * (255 - below), np.float32)
    values = np.stack([still, np.arange(255, dtype=np.float32)])
    found = lines.packed(values, None)
    assert found.shape == (2, 16 + 32)
    assert lines.unpacked(found, values.shape, None).tobytes() == values.tobytes()


def test_a_row_with_some_infinite_thresholds_stays_as_it_is():
    values = np.arange(255, dtype=np.float32)[None].copy()
    values[0, 250:] = np.inf
    assert lines.packed(values, None) is None


@pytest.mark.parametrize(("a", "b"), [(np.nan, 1), (1, np.inf), (np.inf, -np.inf)])
def test_floats_that_are_no_numbers_are_refused(a, b):
    with pytest.raises(ValueError, match="numbers alone"):
        lines.unpacked(np.array([[a, b]]).view(np.uint8), (1, 16), None)


def test_rows_of_floats_have_the_bytes_of_their_shape():
    for columns in (15, 17, 19, 16 + 34):
        with pytest.raises(ValueError, match="the bytes of its shape"):
            lines.unpacked(np.zeros((2, columns), np.uint8), (2, 16), None)


def test_a_file_with_such_rows_is_refused():
    graph = file_of(ceiling_lines([-400.3, 7.25], [9.77, 3.01], 255), SPEC)
    text, tensors = container.split(pack.serialize(graph))
    for rows in (tensors["c"][:, :-1], tensors["c"][:1], tensors["c"] | np.uint8(128)):
        with pytest.raises(pack.FormatError, match="'c': it"):
            pack.parse(container.join(text, {"c": np.ascontiguousarray(rows)}))
