"""Matrices whose rows are nearly straight lines: the thresholds of wide activations.

A layer's codes are a line of its sums, cut off at both ends, so the sums at which they change lie
on a line, up to float32's rounding. For codes of 8 bits they are 255 numbers a channel, more than
the weights of many a layer. Row r is kept as its line and what that lacks. Of integers, the line is
in fixed point, and v = p + e with 0 <= e < 2^w:

    p[r, k] = clip(ceil((a_r + b_r k) / 2^16), lo, hi)                                         (1)

Of floats, it is in float64, and what it lacks is counted in numbers of float32, for neighbours of
which rank differs by 1: rank(v) = rank(p) + e with -2^(w - 1) <= e < 2^(w - 1):

    p[r, k] = float32(a_r + b_r k)                                                             (2)

Either is a row of bytes: a and b, least significant byte first (integers: 6 bytes each in two's
complement), and the e behind them, w bits each in the order that `bits` has. The writer lays the
line through the first and the last number, of integers those inside the alphabet, and lowers it
until no e is negative. Where rows are no lines, w is so large that the matrix is shorter as it is.
A matrix has 8 to 256 columns: from fewer, w would not follow, and of more, a small file could ask
for a large one.
"""

import numpy as np

from lowbit.ir.types import storage
from lowbit.pack import bits, lines_of_codes, lines_of_floats
from lowbit.pack.bits import SIZE
from lowbit.spec import QuantSpec

FEWEST, MOST = 8, 256  # columns
AT_A_TIME = 4096  # rows


def packed(values: np.ndarray, spec: QuantSpec | None) -> np.ndarray | None:
    """A row of bytes for each of `values`, codes of `spec` or float32; None if that is no line, or
    no shorter."""
    if not sized(values.shape) or (values[:, 1:] < values[:, :-1]).any():
        return None
    if spec is None:
        rows, plain = lines_of_floats.packed(values), values.nbytes
    else:
        rows, plain = lines_of_codes.packed(values, spec), bits.size(values.size, spec)
    return rows if rows is not None and rows.size < plain else None


def unpacked(data: np.ndarray, shape: tuple[int, ...], spec: QuantSpec | None) -> np.ndarray:
    """The matrix. ValueError if `data` cannot be one of this shape."""
    if not sized(shape) or len(data) != shape[0]:
        raise ValueError(SIZE)
    values = np.empty(shape, np.float32 if spec is None else storage(spec))
    for first in range(0, len(data), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        if spec is None:
            values[part] = lines_of_floats.unpacked(data[part], shape[1])
        else:
            values[part] = lines_of_codes.unpacked(data[part], shape[1], spec)
    return values


def sized(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and FEWEST <= shape[1] <= MOST
