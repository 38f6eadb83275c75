"""Reductions over the last axes, which stay as sides of 1. Integers enter as float32."""

import math
from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.ops.arithmetic import f32
from lowbit.ir.types import TensorType


def reduced(x: TensorType, axes: int) -> TensorType:
    require(1 <= axes <= len(x.shape), f"it reduces 1 to {len(x.shape)} axes, not {axes}")
    return TensorType((*x.shape[: len(x.shape) - axes], *(1,) * axes), None)


def halved(x: np.ndarray, axes: int, combine) -> np.ndarray:
    """P values of a row become one by halving: value i takes value i + ceil(P / 2) onto itself."""
    shape = (*x.shape[: x.ndim - axes], *(1,) * axes)
    row = f32(x).reshape(-1, math.prod(x.shape[x.ndim - axes :]))
    while row.shape[1] > 1:
        half = (row.shape[1] + 1) // 2
        spare = row.shape[1] - half
        row = np.concatenate([combine(row[:, :spare], row[:, half:]), row[:, spare:half]], 1)
    return row.reshape(shape)


@op("max")
@dataclass(frozen=True, slots=True)
class Max:
    """The largest value over the last `axes` axes."""

    axes: int

    def infer(self, x: TensorType) -> TensorType:
        return reduced(x, self.axes)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return halved(x, self.axes, np.maximum)


@op("sum")
@dataclass(frozen=True, slots=True)
class Sum:
    """The float32 sum over the last `axes` axes, in row-major order, by halving."""

    axes: int

    def infer(self, x: TensorType) -> TensorType:
        return reduced(x, self.axes)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return halved(x, self.axes, np.add)
