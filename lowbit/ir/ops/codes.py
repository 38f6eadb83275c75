r"""Arithmetic on 8-bit codes: sum, product and mean, a real value being scale (q - zero point).

Sums in form D bring both operands to 2 max(scale_a, scale_b) / 2^20 first:

    q = clamp(z + M(M(d_a 2^20, r_a) + sign M(d_b 2^20, r_b), r_o)),  d = q - z,               (1)
    r_a = scale_a / (2 s),  r_b likewise,  r_o = 2 s / (2^20 scale_o),  s = max(scale_a, scale_b)

with M = fixed_point.multiply and, for codes of more than 9 bits, 15 for 20. In form F (XNNPACK)
they have multipliers of 21 bits:

    q = clamp(z + ((d_a m_a + d_b m_b + 2^(k - 1)) >> k)),  m = rint(scale_a / scale_o 2^k)    (2)

with k chosen so that the larger multiplier is below 2^21.
"""

import math
from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.ops import fixed_point
from lowbit.ir.ops.pool import AvgPool
from lowbit.ir.ops.requantize import alphabet, check_scale, moved
from lowbit.ir.ops.window import Pads, output_sides
from lowbit.ir.types import TensorType
from lowbit.spec import Codes, Parameters, QuantSpec

HEADROOM, HEADROOM_16 = 20, 15  # of codes of up to 9 bits, and of more


def headroom(codes: Codes) -> int:
    return HEADROOM if codes.lo >= -256 and codes.hi <= 256 else HEADROOM_16


def shape_of(a: TensorType, b: TensorType) -> tuple[int, ...]:
    require(a.spec is not None and b.spec is not None, f"operands are codes: {a} and {b}")
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        require(False, f"shapes broadcast: {a} and {b}")
        raise


def deviation(x: TensorType, zero: int) -> QuantSpec:
    """The range of q - zero, for codes of at most 9 bits, or of 16 around 0."""
    assert x.spec is not None
    few = x.spec.magnitude <= 256 and abs(zero) <= 256
    many = x.spec.magnitude <= 2**15 and zero == 0
    require(few or many, f"codes of 8 bits, or of 16 around 0: {x}, {zero}")
    return QuantSpec(x.spec.lo - zero, x.spec.hi - zero)


@op("add_d")
@dataclass(frozen=True, slots=True)
class AddD:
    """Equation (1); `sign` is -1 for a difference."""

    a: Parameters
    b: Parameters
    sign: int
    to: Codes

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        type_, ends = sum_type(self, a, b)
        m, e = self.multipliers()
        require(bool((e <= 0).all()), "each factor of a sum is below 1")
        terms = np.array([d.magnitude << headroom(self.to) for d in ends])
        total = int((fixed_point.multiply(terms, m[:2], e[:2]) + 1).sum())  # +1 for its ties
        for largest, one, shift in zip((*map(int, terms), total), m, e, strict=True):
            fixed_point.check(largest, int(one), int(shift))
        return type_

    def multipliers(self) -> tuple[np.ndarray, np.ndarray]:
        """m and e of r_a, r_b and r_o."""
        double = 2 * max(self.a.scale, self.b.scale)
        last = double / (2 ** headroom(self.to) * self.to.scale)
        return fixed_point.multipliers(
            np.array([self.a.scale / double, self.b.scale / double, last])
        )

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        (ma, mb, mo), (ea, eb, eo) = self.multipliers()
        left = headroom(self.to)
        a = fixed_point.multiply((a.astype(np.int64) - self.a.zero_point) << left, ma, ea)
        b = fixed_point.multiply((b.astype(np.int64) - self.b.zero_point) << left, mb, eb)
        total = fixed_point.multiply(a + self.sign * b, mo, eo)
        return moved(total, self.to)


@op("add_f")
@dataclass(frozen=True, slots=True)
class AddF:
    """Equation (2), with the attributes of form D."""

    a: Parameters
    b: Parameters
    sign: int
    to: Codes

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        type_, ends = sum_type(self, a, b)
        require(headroom(self.to) == HEADROOM, "form F has codes of 8 bits")
        ratio = max(self.a.scale, self.b.scale) / self.to.scale
        require(2.0**-10 <= ratio < 2.0**8, f"scales of a sum are near its own: {ratio}")
        *multipliers, shift = self.multipliers()
        largest = sum(d.magnitude * abs(m) for d, m in zip(ends, multipliers, strict=True))
        require(largest + (1 << shift) <= fixed_point.INT32_MAX, "the sum fits int32")
        return type_

    def multipliers(self) -> tuple[int, int, int]:
        """m_a, m_b with its sign, and k."""
        a, b = (np.float32(s) / np.float32(self.to.scale) for s in (self.a.scale, self.b.scale))
        shift = HEADROOM - (math.frexp(max(a, b))[1] - 1)
        ma, mb = (int(np.rint(np.ldexp(r, shift))) for r in (a, b))
        return ma, self.sign * mb, shift

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        ma, mb, shift = self.multipliers()
        a = a.astype(np.int64) - self.a.zero_point
        b = b.astype(np.int64) - self.b.zero_point
        total = a * ma + b * mb
        rounded = (total + (1 << (shift - 1))) >> shift
        return moved(rounded, self.to)


def sum_type(op: AddD | AddF, a: TensorType, b: TensorType) -> tuple[TensorType, list[QuantSpec]]:
    """The sum's type, and the ranges of the operands around their zero points."""
    shape = shape_of(a, b)
    check_scale(op.a.scale, op.b.scale)
    require(op.sign in (-1, 1), f"the sign is -1 or 1: {op.sign}")
    ends = [deviation(a, op.a.zero_point), deviation(b, op.b.zero_point)]
    return TensorType(shape, alphabet(op.to)), ends


@op("mul_codes")
@dataclass(frozen=True, slots=True)
class MulCodes:
    """(a - zero_a) (b - zero_b), an integer for a requantization to bring back to 8 bits."""

    zeros: tuple[int, ...]

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        shape = shape_of(a, b)
        require(len(self.zeros) == 2, "two zero points")
        x, y = (deviation(t, z) for t, z in zip((a, b), self.zeros, strict=True))
        corners = [p * q for p in (x.lo, x.hi) for q in (y.lo, y.hi)]
        return TensorType(shape, QuantSpec(min(corners), max(corners)))

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a.astype(np.int64) - self.zeros[0]) * (b.astype(np.int64) - self.zeros[1])


@op("mean_codes")
@dataclass(frozen=True, slots=True)
class MeanCodes:
    """The mean of the taps inside the image, rounded half away from zero, on the codes themselves.

    Input and output share scale and zero point. TFLite's integer_ops/pooling.h; every runtime
    that was looked at agrees.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads

    def infer(self, x: TensorType) -> TensorType:
        require(x.spec is not None, f"x is codes: {x}")
        assert x.spec is not None
        require(x.spec.magnitude <= 2**15 and x.spec.step == 1, f"codes of 16 bits: {x}")
        require(np.prod(self.kernel, dtype=object) < 2**15, "fewer than 2^15 taps")
        AvgPool(self.kernel, self.stride, self.padding, 0).infer(x)
        sides = output_sides(
            x.shape[:-1], self.kernel, self.stride, self.padding, (1,) * len(self.kernel)
        )
        return TensorType((*sides, x.shape[-1]), x.spec)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        pool = AvgPool(self.kernel, self.stride, self.padding, 0)
        total = pool.window_sums(x)
        count = pool.window_sums(np.ones((1, *x.shape[1:-1], 1), np.int8))
        half = np.where(total > 0, count // 2, -(count // 2))
        return np.sign(total + half) * (abs(total + half) // count)
