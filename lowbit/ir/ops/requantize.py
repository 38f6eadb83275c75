r"""Accumulators and floats to 8-bit codes, in the two arithmetics that people deploy.

With acc = x + bias in int32 and r = s_in s_w / s_out for each channel,

    D:  q = clamp(z + M(acc, r)),            r in float64, M of fixed_point                   (1)
    F:  q = z + rint(clamp(float32(acc) r)),  r in float32, ties to even                      (2)

(1) is the reference of TensorFlow Lite and TFLite Micro, integers alone once r is in fixed point;
(2) is XNNPACK and ONNX Runtime. They differ by at most one, at ties. The zero point of the input
is part of the bias: sum (q - z) w = sum q w - z sum w.
"""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.ops import fixed_point
from lowbit.ir.types import TensorType
from lowbit.spec import Codes, QuantSpec

TINY, HUGE = 1e-30, 1e30


def check_scale(*scales: float) -> None:
    for scale in scales:
        require(TINY < scale < HUGE, f"a scale is positive, neither tiny nor huge: {scale}")


def alphabet(codes: Codes) -> QuantSpec:
    """lo..hi, once the codes are known to be sound."""
    scale, zero, lo, hi = codes
    check_scale(scale)
    require(-(2**15) <= lo <= zero <= hi < 2**15, f"{lo} <= {zero} <= {hi}, 16 bits")
    return QuantSpec(lo, hi)


def check_rows(x: TensorType, bias: TensorType, scales: TensorType) -> None:
    require(x.spec is not None and len(x.shape) >= 1, f"x is integers with channels: {x}")
    for type_, role in ((bias, "biases"), (scales, "scales")):
        constant(type_, role)
        require(type_.shape in ((1,), x.shape[-1:]), f"{role}: one or one a channel, not {type_}")
    require(bias.spec is not None and scales.spec is None, "biases are integers, scales float32")
    value = constant(scales, "scales")
    require(bool(((value > TINY) & (value < HUGE)).all()), "scales are positive")


def sum_magnitude(x: TensorType, bias: TensorType) -> int:
    """The largest |x + bias|, proved to be an int32."""
    assert x.spec is not None
    value = constant(bias, "biases").astype(np.int64)
    largest = max(x.spec.hi + int(value.max()), -(x.spec.lo + int(value.min())), 0)
    require(largest <= fixed_point.INT32_MAX, f"x + bias fits int32: {largest}")
    return largest


@op("requantize_d")
@dataclass(frozen=True, slots=True)
class RequantizeD:
    """Equation (1) with s_in `input_scale` and s_w an operand, one or one a channel."""

    input_scale: float
    to: Codes

    def infer(self, x: TensorType, bias: TensorType, scales: TensorType) -> TensorType:
        check_rows(x, bias, scales)
        check_scale(self.input_scale)
        spec, largest = alphabet(self.to), sum_magnitude(x, bias)
        for m, e in zip(*self.multipliers(constant(scales, "scales")), strict=True):
            fixed_point.check(largest, int(m), int(e))
        return TensorType(x.shape, spec)

    def multipliers(self, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fixed_point.multipliers(self.input_scale * scales.astype(np.float64) / self.to.scale)

    def evaluate(self, x: np.ndarray, bias: np.ndarray, scales: np.ndarray) -> np.ndarray:
        m, e = self.multipliers(scales)
        scaled = fixed_point.multiply(x.astype(np.int64) + bias.astype(np.int64), m, e)
        return moved(scaled, self.to)


@op("requantize_f")
@dataclass(frozen=True, slots=True)
class RequantizeF:
    """Equation (2), with the operands and attributes of form D."""

    input_scale: float
    to: Codes

    def infer(self, x: TensorType, bias: TensorType, scales: TensorType) -> TensorType:
        check_rows(x, bias, scales)
        check_scale(self.input_scale)
        ratios = self.ratios(constant(scales, "scales"))
        require(bool(((ratios > TINY) & (ratios < HUGE)).all()), "the ratio of scales is a factor")
        sum_magnitude(x, bias)
        return TensorType(x.shape, alphabet(self.to))

    def ratios(self, scales: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.float32(self.input_scale) * scales / np.float32(self.to.scale)

    def evaluate(self, x: np.ndarray, bias: np.ndarray, scales: np.ndarray) -> np.ndarray:
        acc = (x.astype(np.int64) + bias.astype(np.int64)).astype(np.float32)
        with np.errstate(over="ignore"):
            return nearest_code(acc * self.ratios(scales), self.to)


def moved(y: np.ndarray, codes: Codes) -> np.ndarray:
    """clamp(z + y)"""
    return np.clip(codes.zero_point + y, codes.lo, codes.hi)


def inside(y: np.ndarray, codes: Codes) -> np.ndarray:
    """The clamp in float32, around the zero point."""
    z = codes.zero_point
    return np.clip(y, np.float32(codes.lo - z), np.float32(codes.hi - z))


def nearest_code(y: np.ndarray, codes: Codes) -> np.ndarray:
    """z + rint(clamp(y))"""
    return codes.zero_point + np.rint(inside(y, codes)).astype(np.int64)


@op("quantize_d")
@dataclass(frozen=True, slots=True)
class QuantizeD:
    """q = clamp(z + round(x / scale)), ties away from zero: TensorFlow Lite's reference."""

    to: Codes

    def infer(self, x: TensorType) -> TensorType:
        require(x.spec is None, f"x is float32: {x}")
        return TensorType(x.shape, alphabet(self.to))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            y = x / np.float32(self.to.scale)
        rounded = fixed_point.rounded_half_away(inside(y, self.to))
        return self.to.zero_point + rounded.astype(np.int64)


@op("quantize_f")
@dataclass(frozen=True, slots=True)
class QuantizeF:
    """q = z + rint(clamp(x (1 / scale))), ties to even: XNNPACK. ONNX Runtime divides instead."""

    to: Codes

    def infer(self, x: TensorType) -> TensorType:
        require(x.spec is None, f"x is float32: {x}")
        return TensorType(x.shape, alphabet(self.to))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return nearest_code(x * (np.float32(1) / np.float32(self.to.scale)), self.to)
