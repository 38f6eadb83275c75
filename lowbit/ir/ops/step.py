"""Step functions: what turns accumulators and floats back into codes."""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec, unsigned


@op("threshold")
@dataclass(frozen=True, slots=True)
class Threshold:
    """code = lo + step i with i = the number of thresholds that x reaches (x >= t).

    Thresholds are (C or 1, levels - 1) and ascend along a row; x is an integer tensor with
    integer thresholds or a float one with float thresholds. In a channel whose `falling` is 1
    (a negative gamma), i counts from the top: levels - 1 less that number.
    """

    lo: int
    hi: int
    step: int

    def infer(self, x: TensorType, t: TensorType, falling: TensorType) -> TensorType:
        spec, value = self.spec(), constant(t, "thresholds")
        constant(falling, "directions")
        require((x.spec is None) == (t.spec is None), f"thresholds {t} are of the kind of x, {x}")
        require(
            len(t.shape) == 2 and t.shape[1] == spec.levels - 1,
            f"{spec.levels - 1} thresholds a channel: {t}",
        )
        require(
            len(x.shape) >= 1 and t.shape[0] in (1, x.shape[-1]), f"one row or one a channel: {t}"
        )
        require(falling.shape == t.shape[:1], f"one direction a row: {falling}")
        require(falling.spec == unsigned(1), f"a direction is 0 or 1: {falling}")
        require(bool((value[:, 1:] >= value[:, :-1]).all()), "thresholds ascend")
        return TensorType(x.shape, spec)

    def spec(self) -> QuantSpec:
        try:
            spec = QuantSpec(self.lo, self.hi, self.step)
        except ValueError as error:
            require(False, str(error))
        require(2 <= spec.levels <= 256, f"2 to 256 levels: {spec}")
        return spec

    def evaluate(self, x: np.ndarray, t: np.ndarray, falling: np.ndarray) -> np.ndarray:
        index = np.zeros(x.shape, np.int64)
        for column in t.T:
            index += x >= column
        index = np.where(falling == 1, t.shape[1] - index, index)
        return self.lo + self.step * index


@op("lookup")
@dataclass(frozen=True, slots=True)
class Lookup:
    """code = table[c, x - x.lo]: a step function that is not monotone, over a small range.

    The table is (C or 1, hi - lo + 1) over the alphabet's range of x; `start` repeats x.lo.
    """

    start: int

    def infer(self, x: TensorType, table: TensorType) -> TensorType:
        constant(table, "tables")
        require(len(x.shape) >= 1, "x has channels")
        require(x.spec is not None and table.spec is not None, "x and the table are integers")
        assert x.spec is not None
        require(x.spec.lo == self.start, f"the table starts at {x.spec.lo}")
        width = x.spec.hi - x.spec.lo + 1
        require(len(table.shape) == 2 and table.shape[1] == width, f"{width} entries: {table}")
        require(table.shape[0] in (1, x.shape[-1]), f"one row or one a channel: {table}")
        return TensorType(x.shape, table.spec)

    def evaluate(self, x: np.ndarray, table: np.ndarray) -> np.ndarray:
        row = np.arange(x.shape[-1]) if len(table) > 1 else 0
        return table[row, x.astype(np.int64) - self.start]
