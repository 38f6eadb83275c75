r"""Multiplying an int32 by a real number with integers alone, as TensorFlow Lite's reference does.

A real r > 0 is held as r = m 2^(e - 31) with m in [2^30, 2^31), m rounded half away from zero.
The product with x is rounded twice:

    v = trunc((x 2^max(e,0) m + n) / 2^31),  n = 2^30 if x >= 0 else 1 - 2^30,               (1)
    y = round(v / 2^max(-e,0)), ties away from zero.                                         (2)

(1) is the saturating rounding doubling high multiply, whose ties go up; it saturates only for
m = -2^31, which no positive number has. Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 2.2; gemmlowp's
fixedpoint.h.
"""

import math

import numpy as np

from lowbit.ir.op import require

INT32_MAX = 2**31 - 1
SMALLEST_SHIFT, LARGEST_SHIFT = -31, 30


def multiplier(real: float) -> tuple[int, int]:
    """(m, e) of a real number >= 0; (0, 0) for one below 2^-32."""
    fraction, exponent = math.frexp(real)
    m = math.floor(fraction * 2**31 + 0.5)
    if m == 2**31:
        m, exponent = 2**30, exponent + 1
    if m == 0 or exponent < SMALLEST_SHIFT:
        return 0, 0
    require(exponent <= LARGEST_SHIFT, f"{real} is too large a factor for fixed point")
    return m, exponent


def multipliers(reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """m and e of each, int64."""
    pairs = [multiplier(float(r)) for r in reals.ravel()]
    m, e = np.array(pairs, np.int64).reshape(-1, 2).T
    return m, e


def check(largest: int, m: int, e: int) -> None:
    """Proves that (1) stays in int32 for every |x| up to `largest`."""
    require(
        m == 0 or largest << max(e, 0) <= INT32_MAX, f"the shifted sum fits int32: {largest} 2^{e}"
    )


def multiply(x: np.ndarray, m: np.ndarray | int, e: np.ndarray | int) -> np.ndarray:
    """Equations (1) and (2) on int64 arrays that hold int32 values."""
    product = (x << np.maximum(e, 0)) * m
    high = product + np.where(product >= 0, 2**30, 1 - 2**30)
    return divide(np.where(high >= 0, high >> 31, -(-high >> 31)), np.maximum(np.negative(e), 0))


def divide(v: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Equation (2)."""
    mask = (np.int64(1) << shift) - 1
    return (v >> shift) + ((v & mask) > (mask >> 1) + (v < 0))


def rounded_half_away(x: np.ndarray) -> np.ndarray:
    """C's round: exact, where floor(x + 1/2) would round the largest float below 1/2 up."""
    whole = np.trunc(x)
    return whole + np.sign(x) * (abs(x - whole) >= 0.5)
