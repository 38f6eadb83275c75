"""Sums of products: convolution and linear, over codes (exact) or floats (in a stated order).

The type of an integer product is the range that its sums provably keep to, derived from the
weights themselves: with x in [lo, hi], output channel o lies between

    sum_t min(w_t lo, w_t hi)    and    sum_t max(w_t lo, w_t hi),                            (1)

where a tap that may fall into zero padding also counts as 0 on either side.
"""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import constant, op, require
from lowbit.ir.ops.window import Pads, output_sides, pad, taps
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec


def proved_range(x: QuantSpec, w: np.ndarray, zero_padded: bool) -> QuantSpec:
    """Equation (1) over all output channels; `w` has them first."""
    rows = w.reshape(len(w), -1)
    largest = x.magnitude * max(-int(rows.min()), int(rows.max()), 0) * rows.shape[1]
    require(largest < 2**53, f"sums reach {largest}, beyond 2^53")  # nor would (1) be exact
    plus = np.maximum(rows, 0).sum(1, dtype=np.int64)
    minus = plus - rows.sum(1, dtype=np.int64)  # the magnitudes of the negative weights
    lo, hi = (min(x.lo, 0), max(x.hi, 0)) if zero_padded else (x.lo, x.hi)
    ends = plus * lo - minus * hi, plus * hi - minus * lo
    return QuantSpec(int(ends[0].min()), int(ends[1].max()))


def product_spec(x: TensorType, w: TensorType, zero_padded: bool) -> QuantSpec | None:
    """None, that is float32, as soon as an operand is float."""
    value = constant(w, "weights")
    if x.spec is None or w.spec is None:
        return None
    return proved_range(x.spec, value, zero_padded)


@op("conv")
@dataclass(frozen=True, slots=True)
class Conv:
    """x (*sides, C) with w (O, *kernel, C / groups) to (*out, O), over one or two sides.

    Padding comes after quantization: `pad_value` is a code, and 0 leaves the tap out. On floats
    each sum runs in float32 from +0, kernel positions in row-major order, channels fastest, with
    product and addition rounded separately.
    """

    stride: tuple[int, ...]
    padding: Pads
    dilation: tuple[int, ...]
    groups: int = 1
    pad_value: int = 0

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        require(len(x.shape) == len(w.shape) - 1 >= 2, "x is (*sides, C), w (O, *kernel, C/g)")
        require(self.groups >= 1, "groups >= 1")
        channels, outs = x.shape[-1], w.shape[0]
        require(channels == w.shape[-1] * self.groups, f"channels agree: {channels}")
        require(outs % self.groups == 0, f"{self.groups} groups divide {outs} outputs")
        require(
            self.pad_value == 0 or (x.spec is not None and self.pad_value in x.spec),
            f"the pad value {self.pad_value} is 0 or a code of the input",
        )
        sides = output_sides(x.shape[:-1], w.shape[1:-1], self.stride, self.padding, self.dilation)
        padded = self.pad_value == 0 and any(map(any, self.padding))
        return TensorType((*sides, outs), product_spec(x, w, padded))

    def evaluate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        kernel, floating = w.shape[1:-1], np.float32 in (x.dtype, w.dtype)
        sides = output_sides(x.shape[1:-1], kernel, self.stride, self.padding, self.dilation)
        wide = np.float32 if floating else np.float64  # float64 sums of these integers are exact
        x = pad(x, self.padding, self.pad_value).astype(wide)
        w = w.astype(wide)
        out = np.zeros((len(x), *sides, len(w)), wide)
        depth, width = w.shape[-1], len(w) // self.groups
        for position, values in taps(x, kernel, self.stride, self.dilation, sides):
            for g in range(self.groups):
                part = out[..., g * width : (g + 1) * width]
                matrix = w[(slice(g * width, (g + 1) * width), *position)].T
                accumulate(part, values[..., g * depth : (g + 1) * depth], matrix)
        return out if floating else out.astype(np.int64)


def accumulate(out: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    """out += x @ w, in the stated order where the order matters."""
    if out.dtype == np.float64:
        out += x @ w
        return
    for c in range(len(w)):
        out += x[..., c, None] * w[c]


@op("linear")
@dataclass(frozen=True, slots=True)
class Linear:
    """x (..., K) with w (O, K) to (..., O); floats sum in order of k, as in Conv."""

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        require(len(x.shape) >= 1 and len(w.shape) == 2, "x is (..., K) and w (O, K)")
        require(x.shape[-1] == w.shape[1], f"depths agree: {x.shape[-1]} and {w.shape[1]}")
        return TensorType((*x.shape[:-1], w.shape[0]), product_spec(x, w, zero_padded=False))

    def evaluate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        floating = np.float32 in (x.dtype, w.dtype)
        wide = np.float32 if floating else np.float64
        out = np.zeros((*x.shape[:-1], len(w)), wide)
        accumulate(out, x.astype(wide), w.T.astype(wide))
        return out if floating else out.astype(np.int64)
