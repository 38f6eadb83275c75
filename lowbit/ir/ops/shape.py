"""Operators that move values without changing them. Axes do not count the batch."""

import math
from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec


@op("concat")
@dataclass(frozen=True, slots=True)
class Concat:
    """Operands side by side along `axis`; codes of several alphabets keep to their union."""

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        require(bool(types), "it has operands")
        first = types[0].shape
        require(0 <= self.axis < len(first), f"the axis {self.axis} is one of {first}")
        for t in types:
            require(
                beside(t.shape, self.axis) == beside(first, self.axis),
                f"sides agree but for the axis: {t.shape} and {first}",
            )
        require(len({t.spec is None for t in types}) == 1, "operands are all codes or all floats")
        shape = list(first)
        shape[self.axis] = sum(t.shape[self.axis] for t in types)
        return TensorType(tuple(shape), union(t.spec for t in types))

    def evaluate(self, *values: np.ndarray) -> np.ndarray:
        wide = np.float32 if values[0].dtype == np.float32 else np.int32
        return np.concatenate([v.astype(wide) for v in values], self.axis + 1)


def beside(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 0, *shape[axis + 1 :])


def union(specs) -> QuantSpec | None:
    specs = set(specs)
    if len(specs) == 1:
        return specs.pop()
    lo, hi = min(s.lo for s in specs), max(s.hi for s in specs)
    return QuantSpec(lo, hi, math.gcd(*(v for s in specs for v in (s.step, s.lo - lo, hi - lo))))


@op("reshape")
@dataclass(frozen=True, slots=True)
class Reshape:
    """The same values in row-major order."""

    shape: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(
            all(s >= 1 for s in self.shape) and math.prod(self.shape) == math.prod(x.shape),
            f"{self.shape} holds as many as {x.shape}",
        )
        return TensorType(self.shape, x.spec)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), *self.shape)


@op("transpose")
@dataclass(frozen=True, slots=True)
class Transpose:
    """Axis i of the result is axis permutation[i] of x."""

    permutation: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(
            sorted(self.permutation) == list(range(len(x.shape))),
            f"{self.permutation} permutes the axes of {x.shape}",
        )
        return TensorType(tuple(x.shape[i] for i in self.permutation), x.spec)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(0, *(i + 1 for i in self.permutation))


@op("slice")
@dataclass(frozen=True, slots=True)
class Slice:
    """x[start:stop:step] along `axis`."""

    axis: int
    start: int
    stop: int
    step: int

    def infer(self, x: TensorType) -> TensorType:
        require(0 <= self.axis < len(x.shape), f"the axis {self.axis} is one of {x.shape}")
        side = x.shape[self.axis]
        require(
            0 <= self.start < self.stop <= side and self.step >= 1,
            f"{self.start}:{self.stop}:{self.step} lies in 0:{side}",
        )
        shape = list(x.shape)
        shape[self.axis] = len(range(self.start, self.stop, self.step))
        return TensorType(tuple(shape), x.spec)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x[(slice(None),) * (self.axis + 1) + (slice(self.start, self.stop, self.step),)]
