"""Float32 arithmetic, one rounding an operation, in the order the float model has it.

Integer operands enter as float32 (exact below 2^24). Operands broadcast from the last axis, as
numpy's do: a constant is a scalar (), per channel (C,), or a whole map.
"""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.types import TensorType


def f32(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)


def broadcast(a: TensorType, b: TensorType) -> TensorType:
    try:
        return TensorType(np.broadcast_shapes(a.shape, b.shape), None)
    except ValueError:
        require(False, f"shapes broadcast: {a} and {b}")
        raise


@op("add")
@dataclass(frozen=True, slots=True)
class Add:
    """a + b"""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return broadcast(a, b)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return f32(a) + f32(b)


@op("sub")
@dataclass(frozen=True, slots=True)
class Sub:
    """a - b"""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return broadcast(a, b)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return f32(a) - f32(b)


@op("mul")
@dataclass(frozen=True, slots=True)
class Mul:
    """a b"""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return broadcast(a, b)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return f32(a) * f32(b)


@op("div")
@dataclass(frozen=True, slots=True)
class Div:
    """a / b; a constant b has no zeros, any other divides as IEEE 754 says"""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(b.value is None or bool((b.value != 0).all()), "divisors are not zero")
        return broadcast(a, b)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return f32(a) / f32(b)


@op("relu")
@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0), on floats or integers alike"""

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(x.shape, None)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(f32(x), np.float32(0))


@op("clamp")
@dataclass(frozen=True, slots=True)
class Clamp:
    """min(max(x, lo), hi)"""

    lo: float
    hi: float

    def infer(self, x: TensorType) -> TensorType:
        require(self.lo <= self.hi, f"{self.lo} <= {self.hi}")
        return TensorType(x.shape, None)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.minimum(np.maximum(f32(x), np.float32(self.lo)), np.float32(self.hi))


@op("prelu")
@dataclass(frozen=True, slots=True)
class PRelu:
    """x where x > 0, else slope x, with one slope or one a channel"""

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:
        constant(slope, "slopes")
        require(slope.shape in ((), (1,), x.shape[-1:]), f"one slope or one a channel: {slope}")
        return TensorType(x.shape, None)

    def evaluate(self, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
        x = f32(x)
        return np.where(x > 0, x, slope * x)
