"""Random damage: either FormatError, or a graph that is the one that was written."""

import json

import numpy as np
import pytest

from lowbit.pack import FormatError, parse, payload_bytes, serialize
from lowbit.pack.schema import tensor_type

SIZES = [2_000, pytest.param(100_000, marks=pytest.mark.slow)]
WORDS = (None, True, -1, 0, 1, 2, 3, 2**31, 2**63, -(2**70), 0.5, 1e308, "", "image", "stem", [])


def outcome(data: bytes) -> bytes | None:
    """The bytes of the graph that was read, or None if the file was refused."""
    try:
        return serialize(parse(data))
    except FormatError:
        return None


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_is_refused_or_without_effect(data, bit):
    for position in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[position] ^= 1 << bit
        assert outcome(bytes(flipped)) in (None, data)


@pytest.mark.parametrize("count", SIZES)
def test_damaged_bytes_are_refused_or_without_effect(data, count):
    rng = np.random.default_rng(20)
    for _ in range(count):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), rng.integers(1, 5)):
            damaged[position] = rng.integers(256)
        assert outcome(bytes(damaged)) in (None, data)


def places(value, at=()):
    """Every path into nested lists and objects."""
    yield at
    if isinstance(value, (list, dict)):
        steps = value.keys() if isinstance(value, dict) else range(len(value))
        for step in list(steps):
            yield from places(value[step], (*at, step))


def disturb(description, rng) -> None:
    """One random place is overwritten, removed, copied from elsewhere, or nudged."""
    every = [p for p in places(description) if p]
    *path, last = every[rng.integers(len(every))]
    parent, other = description, description
    for step in path:
        parent = parent[step]
    for step in every[rng.integers(len(every))]:
        other = other[step]
    value = parent[last]
    match rng.integers(4):
        case 0:
            parent[last] = WORDS[rng.integers(len(WORDS))]
        case 1:
            del parent[last]
        case 2:
            parent[last] = json.loads(json.dumps(other))
        case _ if type(value) in (int, float):
            parent[last] = value + int(rng.integers(-2, 3))


@pytest.mark.parametrize("count", SIZES)
def test_only_format_error_escapes_whatever_the_graph_says(forge, every_op, count):
    rng = np.random.default_rng(21)

    def change(description, tensors):
        for _ in range(rng.integers(1, 4)):
            disturb(description, rng)
        if rng.integers(2):
            fit(description.get("constants"), tensors)

    refused = sum(outcome(forge(change, every_op)) is None for _ in range(count))
    assert 0 < refused < count


def fit(declared, tensors) -> None:
    """Resizes tensors to what is declared, so that the checks behind the sizes are reached."""
    for entry in declared if isinstance(declared, list) else []:
        try:
            name, type_ = tensor_type(entry)
            tensors[name] = np.resize(tensors[name], min(payload_bytes(type_), 4096))
        except (FormatError, KeyError):
            continue
