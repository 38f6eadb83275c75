r"""16-bit activations with 8-bit weights: sums of 48 bits out of sums that fit int32.

x = 256 h + l with h = x >> 8 in -128..127 and l = x & 255, and a product is linear in x, so that

    acc = 256 sum w h + sum w l + bias                                                          (1)

takes two products of bytes, each proved to fit int32 as any is, on the kernels that there are. No
tensor of the graph is wider than int32: the sum (1) exists only inside of its requantization,

    q = clamp(z + ((acc m' + 2^(t - 1)) >> t)),                                                 (2)
    m' = min(round(m / 2^16), 2^15 - 1),  t = 15 - e,

with m and e of fixed_point.py. This is TensorFlow Lite's and TFLite Micro's product of int16 with
int8 under an int64 bias (MultiplyByQuantizedMultiplier of int64).
"""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.ops import fixed_point
from lowbit.ir.ops.requantize import alphabet, check_rows, check_scale, moved
from lowbit.ir.types import TensorType
from lowbit.spec import Codes, QuantSpec, signed, unsigned

WIDE = signed(16)
LARGEST_SUM = 2**47
LARGEST_SHIFT = 14


@op("byte")
@dataclass(frozen=True, slots=True)
class Byte:
    """The upper byte of 16-bit codes, x >> 8, for `place` 1, or the lower, x & 255, for 0."""

    place: int

    def infer(self, x: TensorType) -> TensorType:
        require(self.place in (0, 1), f"the byte is 0 or 1: {self.place}")
        require(x.spec is not None, f"x is codes: {x}")
        assert x.spec is not None
        require(WIDE.lo <= x.spec.lo and x.spec.hi <= WIDE.hi, f"codes of 16 bits: {x}")
        return TensorType(x.shape, signed(8) if self.place else unsigned(8))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        wide = x.astype(np.int64)
        return wide >> 8 if self.place else wide & 255


@op("requantize_wide")
@dataclass(frozen=True, slots=True)
class RequantizeWide:
    """Equation (2) of the sum (1), given its two products and otherwise what `requantize_d` is."""

    input_scale: float
    to: Codes

    def infer(
        self, upper: TensorType, lower: TensorType, bias: TensorType, scales: TensorType
    ) -> TensorType:
        check_rows(upper, bias, scales)
        check_scale(self.input_scale)
        require(lower.spec is not None and lower.shape == upper.shape, f"{lower} is as {upper} is")
        largest = sum_magnitude(upper, lower, bias)
        for m, shift in zip(*self.multipliers(constant(scales, "scales")), strict=True):
            top = (largest * int(m) + (1 << int(shift) - 1)) >> int(shift)
            require(top <= fixed_point.INT32_MAX, f"the rescaled sum fits int32: {top}")
        return TensorType(upper.shape, alphabet(self.to))

    def multipliers(self, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """m' and t of equation (2), one or one a channel."""
        real = self.input_scale * scales.astype(np.float64) / self.to.scale
        m, e = fixed_point.multipliers(real)
        require(bool((e <= LARGEST_SHIFT).all()), f"factors are below 2^{LARGEST_SHIFT}")
        return np.minimum((m + 2**15) >> 16, 2**15 - 1), 15 - e

    def evaluate(
        self, upper: np.ndarray, lower: np.ndarray, bias: np.ndarray, scales: np.ndarray
    ) -> np.ndarray:
        m, shift = self.multipliers(scales)
        total = 256 * upper.astype(np.int64) + lower + bias
        return moved((total * m + (np.int64(1) << (shift - 1))) >> shift, self.to)


def sum_magnitude(upper: TensorType, lower: TensorType, bias: TensorType) -> int:
    """The largest |acc| of equation (1), proved to have 48 bits."""
    value = constant(bias, "biases").astype(np.int64)
    a, b = spec_of(upper), spec_of(lower)
    ends = 256 * a.hi + b.hi + int(value.max()), -(256 * a.lo + b.lo + int(value.min()))
    largest = max(*ends, 0)
    require(largest < LARGEST_SUM, f"sums have 48 bits: {largest}")
    return largest


def spec_of(x: TensorType) -> QuantSpec:
    assert x.spec is not None
    return x.spec
