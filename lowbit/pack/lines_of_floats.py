"""Rows of float32 numbers as lines in float64: equation (2) of `lines`."""

import numpy as np

from lowbit.pack.rows import joined, parted


def packed(values: np.ndarray) -> np.ndarray | None:
    a = values[:, 0].astype("<f8")
    b = ((values[:, -1] - a) / (values.shape[1] - 1)).astype("<f8")
    e = rank(values) - rank(predicted(a, b, values.shape[1]))
    w = int(np.maximum(e, -1 - e).max()).bit_length() + 1
    return joined(
        [a.view(np.uint8).reshape(-1, 8), b.view(np.uint8).reshape(-1, 8)], e + (1 << w >> 1), w
    )


def unpacked(data: np.ndarray, count: int) -> np.ndarray:
    ends, rest, w = parted(data, count, 16)
    a, b = np.ascontiguousarray(ends).view("<f8").T
    place = rank(predicted(a, b, count)) + rest - (1 << w >> 1)
    pattern = np.where(place < 0, -(2**31) - 1 - place, place)
    values = pattern.astype(np.int32).view(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("it has numbers alone")
    return values


def predicted(a: np.ndarray, b: np.ndarray, count: int) -> np.ndarray:
    """Equation (2)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (a[:, None] + b[:, None] * np.arange(count)).astype(np.float32)


def rank(values: np.ndarray) -> np.ndarray:
    """The place of each in the order of all float32 numbers; -0.0 stands before 0.0."""
    pattern = values.view(np.int32).astype(np.int64)
    return np.where(pattern < 0, -(2**31) - 1 - pattern, pattern)
