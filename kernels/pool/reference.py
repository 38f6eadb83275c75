r"""Pooling, on the layouts that the kernels read.

A maximum leaves out the taps outside the image. A mean is a float32 quotient,

    sum of the taps inside / count,                                                             (1)

with an exact integer sum, or a float32 sum from +0 in row-major order of the taps; `count` is the
taps inside the image, or with include_pad those inside h + 2 pad_top by w + 2 pad_left. The mean
of a whole float image is summed by halving instead: of R rows, row i takes row i + ceil(R / 2)
onto itself, until one is left.                                                                 (2)
"""

import numpy as np

from lowbit.kernels import products
from lowbit.kernels.layout import DTYPES, Layout
from lowbit.kernels.program import reference as program
from lowbit.kernels.record import WINDOW, fields, view


def inputs(p, hi: int) -> np.ndarray:
    return products.pixels(p, DTYPES[Layout(p.x_kind)], hi, p.groups)


def largest(p, hi: int) -> np.ndarray:
    x = inputs(p, hi)
    floating = x.dtype == np.float32
    result: np.ndarray | None = None
    for _, taken, inside in products.windows(p, x, hi):
        lowest = -np.inf if floating else np.iinfo(np.int32).min
        taken = np.where(
            inside[:, None], taken.astype(np.float32 if floating else np.int32), lowest
        )
        result = taken if result is None else np.maximum(result, taken)
    assert result is not None
    return result.astype(np.float32 if floating else np.int32)


def mean(p, hi: int) -> np.ndarray:
    """Equation (1)."""
    x = inputs(p, hi)
    wide = np.float32 if x.dtype == np.float32 else np.int64
    total, count = np.zeros((), wide), np.zeros((), np.int64)
    for (ky, kx), taken, inside in products.windows(p, x, hi):
        total = total + np.where(inside[:, None], taken.astype(wide), wide(0))
        count = count + (counted(p, len(x), ky, kx) if p.include_pad else inside)
    return total.astype(np.float32) / count[:, None].astype(np.float32)


def counted(p, images: int, ky: int, kx: int) -> np.ndarray:
    y, x = np.indices((p.out_h, p.out_w))
    below = y * p.stride_h - p.pad_top + ky < p.h + p.pad_top
    right = x * p.stride_w - p.pad_left + kx < p.w + p.pad_left
    return np.tile((below & right).ravel(), images)


def max_bits(address: int, lo: int, hi: int) -> None:
    """The maximum of signs: the union of their bits."""
    p = fields(address, WINDOW)
    words = p.x_pixel // 8
    x = products.pixels(p, np.uint64, hi, words)
    out = np.zeros((hi, words), np.uint64)
    for _, taken, inside in products.windows(p, x, hi):
        out |= np.where(inside[:, None], taken, np.uint64(0))[:hi]
    view(p.work, np.uint64, hi, words)[lo:hi] = out[lo:hi]


def max_bytes(address: int, lo: int, hi: int) -> None:
    p = fields(address, WINDOW)
    out = view(p.work, np.uint8, hi, p.x_pixel)
    out[lo:hi] = largest(p, hi)[lo:hi].astype(np.uint8)


def halved(address: int, lo: int, hi: int) -> None:
    """Equation (2), an image a unit."""
    p = fields(address, WINDOW)
    x = view(p.x, np.float32, hi, p.h * p.w, p.groups)
    count = np.float32(x.shape[1])
    while x.shape[1] > 1:
        half = (x.shape[1] + 1) // 2
        spare = x.shape[1] - half
        x = np.concatenate([x[:, :spare] + x[:, half:], x[:, spare:half]], 1)
    program.run(p.program, (x[:, 0] / count)[lo:hi], lo)


def reference(values):
    def run(address: int, lo: int, hi: int) -> None:
        p = fields(address, WINDOW)
        program.run(p.program, values(p, hi)[lo:hi], lo)

    return run


max_pool, avg_pool = reference(largest), reference(mean)
