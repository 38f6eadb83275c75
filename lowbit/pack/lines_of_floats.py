"""Rows of float32 numbers as lines in float64: equation (2) of `lines`."""

import numpy as np

from lowbit.pack.rows import joined, parted

STEEP = 1e300


def packed(values: np.ndarray) -> np.ndarray | None:
    a, b = fitted(values.astype(np.float64))
    e = rank(values) - rank(predicted(a, b, values.shape[1]))
    w = int(np.maximum(e, -1 - e).max()).bit_length() + 1
    ends = [numbers.astype("<f8").view(np.uint8).reshape(-1, 8) for numbers in (a, b)]
    return joined(ends, e + (1 << w >> 1), w)


def fitted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a and b of each row. Thresholds that are always reached, and then never, are a line that is
    beyond float32 at once."""
    below, finite = np.isneginf(values).sum(1), np.isfinite(values).all(1)
    with np.errstate(invalid="ignore"):
        slope = (values[:, -1] - values[:, 0]) / (values.shape[1] - 1)
    return np.where(finite, values[:, 0], (0.5 - below) * STEEP), np.where(finite, slope, STEEP)


def unpacked(data: np.ndarray, count: int) -> np.ndarray:
    ends, rest, w = parted(data, count, 16)
    a, b = np.ascontiguousarray(ends).view("<f8").T
    place = rank(predicted(a, b, count)) + rest - (1 << w >> 1)
    pattern = np.where(place < 0, -(2**31) - 1 - place, place)
    values = pattern.astype(np.int32).view(np.float32)
    if np.isnan(values).any():
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
