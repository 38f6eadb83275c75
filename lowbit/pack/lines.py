"""Matrices whose rows are nearly straight lines: the thresholds of wide activations.

A layer's codes are a line of its sums, cut off at both ends, so the sums at which they change lie
on a line, up to float32's rounding. For codes of 8 bits they are 255 numbers a channel, more than
the weights of many a layer. Row r is kept as its line, in fixed point, and what that lacks:

    v[r, k] = clip(ceil((a_r + b_r k) / 2^16), lo, hi) + e[r, k],   0 <= e < 2^w               (1)

as a row of bytes: a and b in two's complement, 6 bytes each, least significant first, and the e
behind them, w bits each in the order that `bits` has. The writer lays the line through the first
and the last number inside the alphabet, then lowers it until no e is negative. Where rows are no
lines, w is so large that the matrix is shorter as it is.
"""

import numpy as np

from lowbit.pack import bits
from lowbit.spec import QuantSpec

FRACTION = 16  # bits of a and b behind the point
NUMBER = 6  # bytes of a, and of b
HEAD = 2 * NUMBER
FEWEST = 8  # columns, so that a row's length tells w
WIDEST = 8  # bits of an e


def packed(values: np.ndarray, spec: QuantSpec) -> np.ndarray | None:
    """A row of bytes for each of `values`; None unless `bits.packed` takes more."""
    if values.ndim != 2 or values.shape[1] < FEWEST or spec.step > 1:
        return None
    if (values[:, 1:] < values[:, :-1]).any():
        return None
    wide = values.astype(np.int64)
    a, b = fitted(wide, spec)
    rest = wide - predicted(a, b, wide.shape[1], spec)
    w = int(rest.max()).bit_length()
    if w > WIDEST or max(abs(a).max(), b.max()) >= 2 ** (8 * NUMBER - 1):
        return None
    stream = (rest[:, :, None] >> np.arange(w) & 1).astype(np.uint8)
    tails = np.packbits(stream.reshape(len(a), -1), axis=1, bitorder="little")
    rows = np.hstack([stored(a), stored(b), tails])
    return rows if rows.size < bits.size(values.size, spec) else None


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
    """Equation (1) without e."""
    line = -(-(a[:, None] + b[:, None] * np.arange(count)) >> FRACTION)
    return line.clip(spec.lo, spec.hi)


def stored(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :NUMBER]


def read(data: np.ndarray) -> np.ndarray:
    """Into the upper bytes, and down again with the sign."""
    whole = np.zeros((len(data), 8), np.uint8)
    whole[:, 8 - NUMBER :] = data
    return whole.view("<i8")[:, 0].astype(np.int64) >> (64 - 8 * NUMBER)


def unpacked(data: np.ndarray, shape: tuple[int, ...], spec: QuantSpec) -> np.ndarray:
    """The matrix, int64. ValueError if `data`, rows of bytes, cannot be one of this shape."""
    if len(shape) != 2 or shape[1] < FEWEST or spec.step > 1:
        raise ValueError("it has the bytes of its shape")
    count = shape[1]
    w = 8 * (data.shape[1] - HEAD) // count
    if data.shape != (shape[0], HEAD + -(-w * count // 8)) or not 0 <= w <= WIDEST:
        raise ValueError("it has the bytes of its shape")
    stream = np.unpackbits(data[:, HEAD:], axis=1, bitorder="little")
    if stream[:, count * w :].any():
        raise ValueError("its last bytes are filled with zeros")
    e = stream[:, : count * w].reshape(*shape, w).astype(np.int64) << np.arange(w)
    a, b = read(data[:, :NUMBER]), read(data[:, NUMBER:HEAD])
    values = predicted(a, b, count, spec) + e.sum(2)
    if (values > spec.hi).any():
        raise ValueError(f"it keeps to {spec}")
    return values
