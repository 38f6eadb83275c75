"""Sliding windows: the geometry that convolution and pooling share, in any number of dimensions."""

import itertools
from collections.abc import Iterator

import numpy as np

from lowbit.ir.op import require

Pads = tuple[tuple[int, int], ...]


def output_sides(sides, kernel, stride, padding: Pads, dilation) -> tuple[int, ...]:
    """floor((side + before + after - dilation (kernel - 1) - 1) / stride) + 1, an axis each."""
    require(
        len(sides) == len(kernel) == len(stride) == len(padding) == len(dilation),
        f"one stride, padding and dilation an axis of {tuple(sides)}",
    )
    require(all(v >= 1 for v in (*kernel, *stride, *dilation)), "kernel, stride, dilation >= 1")
    require(
        all(len(p) == 2 and 0 <= p[0] < 2**16 and 0 <= p[1] < 2**16 for p in padding),
        "padding is two sides an axis, >= 0",
    )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    spare = [s + b + a - r for s, (b, a), r in zip(sides, padding, reach, strict=True)]
    require(all(s >= 0 for s in spare), f"the kernel fits the padded input {tuple(sides)}")
    return tuple(s // t + 1 for s, t in zip(spare, stride, strict=True))


def pad(x: np.ndarray, padding: Pads, value: float) -> np.ndarray:
    """Pads the axes between the batch in front and the channels behind."""
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def taps(x: np.ndarray, kernel, stride, dilation, out) -> Iterator[tuple[tuple, np.ndarray]]:
    """For each kernel position, last axis fastest, the padded input's values under it:
    (position, array of shape (batch, *out, channels))."""
    for position in itertools.product(*map(range, kernel)):
        cut = [
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, s, n in zip(position, dilation, stride, out, strict=True)
        ]
        yield position, x[(slice(None), *cut)]
