"""Operators that put values in new places: padding, spreading apart, picking by index."""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.ops.window import Pads
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec

LARGEST_GAP = 2**10


def joined(spec: QuantSpec | None, value: int) -> QuantSpec | None:
    """The alphabet with `value` in it."""
    if spec is None or value in spec:
        return spec
    return QuantSpec(min(spec.lo, value), max(spec.hi, value))


@op("pad")
@dataclass(frozen=True, slots=True)
class Pad:
    """x (*sides, C) with `value` around its sides."""

    padding: Pads
    value: int

    def infer(self, x: TensorType) -> TensorType:
        require(len(self.padding) == len(x.shape) - 1, f"two ends a side of {x.shape}")
        require(
            all(len(p) == 2 and 0 <= p[0] < 2**16 and 0 <= p[1] < 2**16 for p in self.padding),
            "padding is two ends a side, >= 0",
        )
        require(abs(self.value) <= 2**15, "it is filled with a small number")
        sides = [s + b + a for s, (b, a) in zip(x.shape, self.padding, strict=False)]
        return TensorType((*sides, x.shape[-1]), joined(x.spec, self.value))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        wide = x if x.dtype == np.float32 else x.astype(np.int32)
        return np.pad(wide, ((0, 0), *self.padding, (0, 0)), constant_values=self.value)


@op("spread")
@dataclass(frozen=True, slots=True)
class Spread:
    """x (*sides, C) with stride - 1 times `value` between neighbours along each side.

    A convolution on it is a transposed convolution of that stride on x.
    """

    stride: tuple[int, ...]
    value: int

    def infer(self, x: TensorType) -> TensorType:
        require(len(self.stride) == len(x.shape) - 1 >= 1, f"one stride a side of {x.shape}")
        require(all(1 <= s <= LARGEST_GAP for s in self.stride), f"strides in 1..{LARGEST_GAP}")
        require(abs(self.value) <= 2**15, "it is filled with a small number")
        sides = [(n - 1) * s + 1 for n, s in zip(x.shape, self.stride, strict=False)]
        return TensorType((*sides, x.shape[-1]), joined(x.spec, self.value))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        sides = [(n - 1) * s + 1 for n, s in zip(x.shape[1:-1], self.stride, strict=True)]
        dtype = np.float32 if x.dtype == np.float32 else np.int32
        out = np.full((len(x), *sides, x.shape[-1]), self.value, dtype)
        out[(slice(None), *(slice(None, None, s) for s in self.stride))] = x
        return out


@op("embed")
@dataclass(frozen=True, slots=True)
class Embed:
    """Row x of a table (V, D) for every code x of (*sides): (*sides, D)."""

    def infer(self, x: TensorType, table: TensorType) -> TensorType:
        constant(table, "tables")
        require(len(x.shape) >= 1 and len(table.shape) == 2, f"x has sides, tables rows: {table}")
        require(
            x.spec is not None and x.spec.lo >= 0 and x.spec.hi < table.shape[0],
            f"x is codes below {table.shape[0]}: {x}",
        )
        return TensorType((*x.shape, table.shape[1]), table.spec)

    def evaluate(self, x: np.ndarray, table: np.ndarray) -> np.ndarray:
        return table[x.astype(np.int64)]


@op("resize_nearest")
@dataclass(frozen=True, slots=True)
class ResizeNearest:
    """x (*sides, C) to other sides: place i of n takes floor(i side / n)."""

    sides: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(len(self.sides) == len(x.shape) - 1 >= 1, f"one side for each of {x.shape}")
        require(all(s >= 1 for s in self.sides), "sides are at least 1")
        return TensorType((*self.sides, x.shape[-1]), x.spec)

    def sources(self, sides: tuple[int, ...]) -> list[np.ndarray]:
        """The place that each place of the result is taken from, an array a side."""
        return [np.arange(n) * s // n for s, n in zip(sides, self.sides, strict=True)]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        for axis, places in enumerate(self.sources(x.shape[1:-1]), 1):
            x = x.take(places, axis)
        return x
