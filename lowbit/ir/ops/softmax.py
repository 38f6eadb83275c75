r"""Softmax of 8-bit codes along the last axis, to codes of scale 1/256 and zero point -128.

With d_j = q_j - max q, none above 0, and E a table of 256 entries:

    D:  r, n  =  reciprocal of S = sum_j round(E_j / 2^12),   E = e^(scale d) of scale 2^-31
        q_j   =  clamp(-128 + round(H(r, E_j) / 2^(n + 3)))                                     (1)
    F:  q_j   =  clamp(-128 + trunc(E_j (1 / (S / 256)) + 1/2)),  E and S = sum_j E_j float32   (2)

(1) is the reference of TensorFlow Lite and TFLite Micro, in integers; entries that are further
down than the exponential's fixed point reaches are 0. (2) is LiteRT's kernel on CPUs, its sum in
order of j. They differ by one where they differ, about once in 10^5 codes.
"""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.ops import fixed_functions, fixed_point
from lowbit.ir.types import TensorType
from lowbit.spec import INT8, Codes

SOFTMAX = Codes(1 / 256, INT8.lo)  # what the codes of a share are worth
LONGEST = 2**12 - 1  # a row whose sum fits 12 integer bits
SCALES = (2.0**-20, 2.0**4)  # of codes that differ by 255: fixed point has room for 2^30
STEPS = INT8.levels


def share_type(x: TensorType, scale: float) -> TensorType:
    require(x.spec == INT8 and len(x.shape) >= 1, f"x is int8 codes in rows: {x}")
    least, most = SCALES
    require(least <= scale < most, f"a softmax's scale is in 2^-20..16: {scale}")
    require(x.shape[-1] <= LONGEST, f"a row has at most {LONGEST} codes: {x}")
    return TensorType(x.shape, INT8)


def below(x: np.ndarray) -> np.ndarray:
    """Places in a table: 255 is the largest code of a row."""
    wide = x.astype(np.int64)
    return wide - wide.max(-1, keepdims=True) + STEPS - 1


@op("softmax_d")
@dataclass(frozen=True, slots=True)
class SoftmaxD:
    """Equation (1); `scale` is that of the codes of x."""

    scale: float

    def infer(self, x: TensorType) -> TensorType:
        return share_type(x, self.scale)

    def table(self) -> np.ndarray:
        """E for d = -255, ..., 0, int64."""
        m, e = fixed_point.multiplier(self.scale * 2.0**26)
        reach = ((1 << fixed_functions.EXP_BITS) - 1 << 26) >> e
        d = np.arange(1 - STEPS, 1)
        scaled = fixed_functions.high(np.maximum(d, -reach) << e, m)
        return np.where(d >= -reach, fixed_functions.exp(scaled), 0)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        powers = self.table()[below(x)]
        total = fixed_point.divide(powers, 12).sum(-1, keepdims=True)
        r, length = fixed_functions.reciprocal(total)
        shares = fixed_point.divide(fixed_functions.high(powers, r), length + 3)
        return np.minimum(INT8.lo + shares, INT8.hi)


@op("softmax_f")
@dataclass(frozen=True, slots=True)
class SoftmaxF:
    """Equation (2), with the attribute of form D."""

    scale: float

    def infer(self, x: TensorType) -> TensorType:
        return share_type(x, self.scale)

    def table(self) -> np.ndarray:
        """E for d = -255, ..., 0, float32: of a product rounded to float32, as a float32 is."""
        d = np.arange(1 - STEPS, 1, dtype=np.float32) * np.float32(self.scale)
        return np.exp(d.astype(np.float64)).astype(np.float32)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        powers = self.table()[below(x)]
        total = np.zeros(x.shape[:-1], np.float32)
        for j in range(x.shape[-1]):
            total += powers[..., j]
        factor = np.float32(1) / (total * np.float32(SOFTMAX.scale))
        shares = (powers * factor[..., None] + np.float32(0.5)).astype(np.int64)
        return np.minimum(INT8.lo + shares, INT8.hi)
