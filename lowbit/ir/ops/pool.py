"""Pooling over codes, accumulators or floats (*sides, C)."""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.ops.window import Pads, output_sides, pad, taps
from lowbit.ir.types import TensorType


def meets_the_image(side, out, kernel, stride, padding, dilation) -> bool:
    """Has every window along an axis a tap inside? A dilated one can step over a small image."""
    start = np.arange(out) * stride - padding[0]
    first = np.where(start < 0, start % dilation, start)  # its first tap that is not in front
    return bool(((first < side) & (start + dilation * (kernel - 1) >= 0)).all())


@op("max_pool")
@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest value in each window; taps outside the image are left out."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads
    dilation: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(len(x.shape) >= 2, f"x is (*sides, C): {x}")
        sides = output_sides(x.shape[:-1], self.kernel, self.stride, self.padding, self.dilation)
        windows = zip(
            x.shape, sides, self.kernel, self.stride, self.padding, self.dilation, strict=False
        )
        require(
            all(map(meets_the_image, *zip(*windows, strict=True))), "every window meets the image"
        )
        return TensorType((*sides, x.shape[-1]), x.spec)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        sides = output_sides(x.shape[1:-1], self.kernel, self.stride, self.padding, self.dilation)
        lowest = -np.inf if x.dtype == np.float32 else np.iinfo(x.dtype).min
        padded = pad(x, self.padding, lowest)
        windows = taps(padded, self.kernel, self.stride, self.dilation, sides)
        return np.max([values for _, values in windows], axis=0)


@op("avg_pool")
@dataclass(frozen=True, slots=True)
class AvgPool:
    """The float32 mean of each window.

    An integer window is summed exactly; a float one from +0 in row-major order. Either sum is
    divided once, by the taps inside the image, or with `include_pad` by the taps inside the
    padded image, whose sides torch takes as side + 2 `pad`.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads
    include_pad: int = 1

    def infer(self, x: TensorType) -> TensorType:
        require(len(x.shape) >= 2, f"x is (*sides, C): {x}")
        sides = output_sides(
            x.shape[:-1], self.kernel, self.stride, self.padding, (1,) * len(self.kernel)
        )
        require(self.include_pad in (0, 1), "include_pad is 0 or 1")
        for k, (before, after) in zip(self.kernel, self.padding, strict=True):
            require(max(before, after) < k, "every window meets the image")
        return TensorType((*sides, x.shape[-1]), None)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        total = self.window_sums(x)
        if self.include_pad:
            # A ceil-mode overhang past the symmetric padding is never counted by torch.
            one = pad(np.ones((1, *x.shape[1:-1], 1)), tuple((b, b) for b, _ in self.padding), 1)
            rest = tuple((0, max(0, a - b)) for b, a in self.padding)
            count = self.sums_of(pad(one, rest, 0), x)
        else:
            count = self.window_sums(np.ones((1, *x.shape[1:-1], 1)))
        return total.astype(np.float32) / count.astype(np.float32)

    def window_sums(self, x: np.ndarray) -> np.ndarray:
        return self.sums_of(pad(x, self.padding, 0), x)

    def sums_of(self, padded: np.ndarray, x: np.ndarray) -> np.ndarray:
        ones = (1,) * len(self.kernel)
        sides = output_sides(x.shape[1:-1], self.kernel, self.stride, self.padding, ones)
        wide = np.float32 if x.dtype == np.float32 else np.int64
        total = np.zeros((len(padded), *sides, padded.shape[-1]), wide)
        for _, values in taps(padded, self.kernel, self.stride, ones, sides):
            total += values.astype(wide)
        return total


@op("mean")
@dataclass(frozen=True, slots=True)
class Mean:
    """The float32 mean over all sides, (*sides, C) to (C,): global average pooling.

    Integers are summed exactly. P float rows, in row-major order of position, are summed by
    halving: row i takes row i + ceil(P / 2) onto itself, until one is left. Either sum is
    divided once by the number of positions. The halving order is a definition that torch, numpy
    and every kernel can follow to the bit (lowbit.nn.GlobalAvgPool2d does).
    """

    def infer(self, x: TensorType) -> TensorType:
        require(len(x.shape) >= 2, f"x is (*sides, C): {x}")
        return TensorType(x.shape[-1:], None)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(len(x), -1, x.shape[-1])
        count = np.float32(rows.shape[1])
        if x.dtype != np.float32:
            return rows.sum(1, dtype=np.int64).astype(np.float32) / count
        while rows.shape[1] > 1:
            half = (rows.shape[1] + 1) // 2
            spare = rows.shape[1] - half
            rows = np.concatenate([rows[:, :spare] + rows[:, half:], rows[:, spare:half]], 1)
        return rows[:, 0] / count
