"""Rows of codes as lines in fixed point: equation (1) of `lines`."""

import numpy as np

from lowbit.pack.bits import SIZE
from lowbit.pack.rows import joined, parted
from lowbit.spec import QuantSpec

FRACTION = 16  # bits of a and b behind the point
NUMBER = 6  # bytes of a, and of b


def packed(values: np.ndarray, spec: QuantSpec) -> np.ndarray | None:
    if spec.step > 1:
        return None
    wide = values.astype(np.int64)
    a, b = fitted(wide, spec)
    if max(abs(a).max(), b.max()) >= 2 ** (8 * NUMBER - 1):
        return None
    rest = wide - predicted(a, b, wide.shape[1], spec)
    return joined([stored(a), stored(b)], rest, int(rest.max()).bit_length())


def unpacked(data: np.ndarray, count: int, spec: QuantSpec) -> np.ndarray:
    if spec.step > 1:
        raise ValueError(SIZE)
    ends, rest, _ = parted(data, count, 2 * NUMBER)
    a, b = read(ends[:, :NUMBER]), read(ends[:, NUMBER:])
    values = predicted(a, b, count, spec) + rest
    if (values > spec.hi).any():
        raise ValueError(f"it keeps to {spec}")
    return values


def fitted(values: np.ndarray, spec: QuantSpec) -> tuple[np.ndarray, np.ndarray]:
    """a and b of each row. If fewer than two numbers lie inside the alphabet, the line crosses all
    of it from one number to the next."""
    rows, end = np.arange(len(values)), values.shape[1] - 1
    first = (values == spec.lo).sum(1)
    last = end - (values == spec.hi).sum(1)
    rise = values[rows, np.maximum(last, 0)] - values[rows, np.minimum(first, end)]
    slope = (rise << FRACTION) // np.maximum(last - first, 1)
    b = np.where(last > first, slope, (spec.hi - spec.lo) << FRACTION)
    under = (values << FRACTION) - b[:, None] * np.arange(end + 1)
    return np.where(values < spec.hi, under, spec.hi << FRACTION).min(1), b


def predicted(a: np.ndarray, b: np.ndarray, count: int, spec: QuantSpec) -> np.ndarray:
    """Equation (1)."""
    line = -(-(a[:, None] + b[:, None] * np.arange(count)) >> FRACTION)
    return line.clip(spec.lo, spec.hi)


def stored(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :NUMBER]


def read(data: np.ndarray) -> np.ndarray:
    """Into the upper bytes, and down again with the sign."""
    whole = np.zeros((len(data), 8), np.uint8)
    whole[:, 8 - NUMBER :] = data
    return whole.view("<i8")[:, 0].astype(np.int64) >> (64 - 8 * NUMBER)
