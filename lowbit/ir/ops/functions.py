"""Float32 functions of one operand, the same to the bit wherever they are computed."""

from dataclasses import dataclass

import numpy as np

from lowbit import exponential
from lowbit.ir.op import op
from lowbit.ir.ops.arithmetic import f32
from lowbit.ir.types import TensorType

ONE = np.float32(1)


def float_of(x: TensorType) -> TensorType:
    return TensorType(x.shape, None)


@op("abs")
@dataclass(frozen=True, slots=True)
class Abs:
    """|x|"""

    def infer(self, x: TensorType) -> TensorType:
        return float_of(x)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.abs(f32(x))


@op("sqrt")
@dataclass(frozen=True, slots=True)
class Sqrt:
    """The square root, correctly rounded; NaN below 0."""

    def infer(self, x: TensorType) -> TensorType:
        return float_of(x)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.sqrt(f32(x))


@op("exp")
@dataclass(frozen=True, slots=True)
class Exp:
    """e^x by the equations of lowbit/exponential.py."""

    def infer(self, x: TensorType) -> TensorType:
        return float_of(x)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return exp(f32(x))


@op("sigmoid")
@dataclass(frozen=True, slots=True)
class Sigmoid:
    """1 / (1 + e^-x), with the exponential of `exp`."""

    def infer(self, x: TensorType) -> TensorType:
        return float_of(x)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return ONE / (ONE + exp(-f32(x)))


def exp(x: np.ndarray) -> np.ndarray:
    """Equations (1) and (2) of lowbit/exponential.py, on float32."""
    c1, c2, log2_e = (np.float32(v) for v in (exponential.C1, exponential.C2, exponential.LOG2_E))
    low, high = np.float32(exponential.LOWEST), np.float32(exponential.HIGHEST)
    inside = np.minimum(np.maximum(x, low), high)
    n = np.rint(inside * log2_e)
    r = (inside - n * c1) - n * c2
    p = np.full_like(r, exponential.POLYNOMIAL[0])
    for coefficient in exponential.POLYNOMIAL[1:]:
        p = p * r + np.float32(coefficient)
    power = np.ldexp(ONE, n.astype(np.int32)).astype(np.float32)
    return np.where(x < low, np.float32(0), ((p * (r * r) + r) + ONE) * power)
