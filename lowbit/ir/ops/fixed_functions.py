r"""Exponential and reciprocal in fixed point, as gemmlowp's fixedpoint.h has them.

With H = high, the saturating rounding doubling high multiply (equation (1) of fixed_point.py for
m = b), numbers of i integer bits are int32 of scale 2^(i - 31).

    exp:  a in (-32, 0] of 5 integer bits is split into a = r - m / 4 with r in [-1/4, 0); e^r is a
          Taylor polynomial about -1/8, and each bit of m multiplies by e^(-1/4), e^(-1/2), ...  (1)
    1/(1 + x):  x in [0, 1) by three steps of Newton's method from 48/17 - 32/17 (1 + x)/2.     (2)
"""

import numpy as np

from lowbit.ir.ops.fixed_point import divide

INT32 = np.iinfo(np.int32)
EXP_BITS = 5  # integer bits of what exp takes
EXP_OF_EIGHTH = 1895147668  # e^(-1/8)
THIRD = 715827883
# e^(-2^k) for k = -2, ..., 4
POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
C48_17, C32_17 = 1515870810, -1010580540  # of 2 integer bits


def high(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """a b / 2^31 to the nearest, ties up."""
    product = a * b
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    return np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))


def exp(a: np.ndarray) -> np.ndarray:
    """Equation (1): int64 of scale 2^-26, none above 0, to scale 2^-31; e^0 is 2^31 - 1."""
    quarter = 1 << 24
    rest = (a & (quarter - 1)) - quarter
    x = (rest << EXP_BITS) + (1 << 28)
    square = high(x, x)
    third, fourth = high(square, x), high(square, square)
    tail = divide(high(divide(fourth, 2) + third, THIRD) + square, 1)
    result = EXP_OF_EIGHTH + high(x + tail, EXP_OF_EIGHTH)
    for place, power in enumerate(POWERS):
        result = np.where((rest - a) & (quarter << place), high(result, power), result)
    return np.where(a == 0, INT32.max, result)


def reciprocal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(r, n) with 1 / x = r / 2^(30 + n) nearly, for int64 x in [1, 2^32) of n bits."""
    length = np.frexp(x.astype(np.float64))[1]
    fraction = (x << (32 - length)) - (1 << 31)
    total = fraction + INT32.max
    half = np.where(total >= 0, (total + 1) // 2, total // 2)
    r = C48_17 + high(half, C32_17)
    for _ in range(3):
        error = (1 << 29) - high(half, r)
        r = r + np.clip(high(r, error) << 2, INT32.min, INT32.max)
    return np.clip(r << 1, INT32.min, INT32.max), length
