r"""The meaning of the instructions on 8-bit codes, over whole arrays.

With M(x, m, e) the rounded product x m 2^(e - 31) of equations (1) and (2) of
lowbit/ir/ops/fixed_point.py, and q -> clamp(q) into lo..hi around the zero point:

    REQUANTIZE_D  M(x + bias, m, e)              QUANTIZE_D  x / scale, ties away from zero
    REQUANTIZE_F  rint(float32(x + bias) r)      QUANTIZE_F  rint(x r)
    ADD_D  M(s_x M((x - z_x) 2^h, ...) + s_y M((y - z_y) 2^h, ...), ...)
    ADD_F  ((x - z_x) m_x + (y - z_y) m_y + 2^(k - 1)) >> k
    MUL_CODES  (x - z_x) (y - z_y), not clamped
    BYTE  x >> 8 for place 1, x & 255 for 0
    REQUANTIZE_WIDE  ((256 x + y + bias) m + 2^(t - 1)) >> t, with bias, m and t a channel each
"""

import numpy as np

from lowbit.kernels.layout import DTYPES, Layout
from lowbit.kernels.program import Op
from lowbit.kernels.record import view


def high_product(x, m, e):
    product = (x << np.maximum(e, 0)) * m
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    mask = (np.int64(1) << np.maximum(np.negative(e), 0)) - 1
    return (high >> np.maximum(np.negative(e), 0)) + ((high & mask) > (mask >> 1) + (high < 0))


def clamped(i, y):
    return (i.zero + np.clip(y, i.lo - i.zero, i.hi - i.zero)).astype(np.int32)


def vector(i, name: str, dtype, x):
    wide = np.int64 if dtype is np.int32 else dtype
    return view(getattr(i, name), dtype, x.shape[1]).astype(wide)


def other(i, x, first: int):
    """The operand's codes, less nothing."""
    pixel = np.arange(first, first + len(x)) // i.div
    rows = view(i.at, DTYPES[Layout(i.kind)], int(pixel.max()) + 1, x.shape[1])
    return rows[pixel].astype(np.int64)


def requantize_d(i, x, first):
    acc = x.astype(np.int64) + vector(i, "at", np.int32, x)
    return clamped(i, high_product(acc, *(vector(i, n, np.int32, x) for n in ("second", "third"))))


def requantize_f(i, x, first):
    acc = (x.astype(np.int64) + vector(i, "at", np.int32, x)).astype(np.float32)
    return clamped(i, np.rint(inside(i, acc, vector(i, "second", np.float32, x))))


def inside(i, x, factor, by=np.multiply):
    """The clamp on floats, before any rounding."""
    with np.errstate(over="ignore"):
        return np.clip(by(x, factor), np.float32(i.lo - i.zero), np.float32(i.hi - i.zero))


def quantize_d(i, x, first):
    y = inside(i, x, vector(i, "at", np.float32, x), np.divide)
    whole = np.trunc(y)
    return clamped(i, whole + np.sign(y) * (abs(y - whole) >= 0.5))


def quantize_f(i, x, first):
    return clamped(i, np.rint(inside(i, x, vector(i, "at", np.float32, x))))


def add_d(i, x, first):
    zx, mx, ex, sx, zy, my, ey, sy, mo, eo, room = view(i.second, np.int64, 11)
    a = high_product((x.astype(np.int64) - zx) << room, mx, ex)
    b = high_product((other(i, x, first) - zy) << room, my, ey)
    return clamped(i, high_product(sx * a + sy * b, mo, eo))


def add_f(i, x, first):
    zx, mx, zy, my, shift = view(i.second, np.int64, 5)
    total = (x.astype(np.int64) - zx) * mx + (other(i, x, first) - zy) * my
    return clamped(i, (total + (1 << (shift - 1))) >> shift)


def mul_codes(i, x, first):
    zx, zy = view(i.second, np.int64, 2)
    return ((x.astype(np.int64) - zx) * (other(i, x, first) - zy)).astype(np.int32)


def byte(i, x, first):
    return x >> 8 if i.levels else x & 255


def requantize_wide(i, x, first):
    vectors = (view(i.second + n * i.step, np.int32, x.shape[1]).astype(np.int64) for n in range(3))
    bias, m, t = vectors
    total = 256 * x.astype(np.int64) + other(i, x, first) + bias
    return clamped(i, (total * m + (np.int64(1) << (t - 1))) >> t)


STEPS = {
    Op.REQUANTIZE_D: requantize_d,
    Op.REQUANTIZE_F: requantize_f,
    Op.QUANTIZE_D: quantize_d,
    Op.QUANTIZE_F: quantize_f,
    Op.ADD_D: add_d,
    Op.ADD_F: add_f,
    Op.MUL_CODES: mul_codes,
    Op.BYTE: byte,
    Op.REQUANTIZE_WIDE: requantize_wide,
}
