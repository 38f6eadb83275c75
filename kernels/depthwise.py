"""Convolution of each channel with its own kernel: vectors over channels, nothing to broadcast.

Weights are packed as [tap][channel], int32 or float32, with the channels padded to sixteen.
"""

import numpy as np

from lowbit.kernels import window
from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inner
from lowbit.kernels.program import vectors
from lowbit.kernels.program.vectors import LANES, load_f32, load_i32, store_f32, store_i32


def pack(w: np.ndarray, dtype) -> np.ndarray:
    """(C, kh, kw, 1) to (taps, C')."""
    channels = len(w)
    packed = np.zeros((w.shape[1] * w.shape[2], -(-channels // LANES) * LANES), dtype)
    packed[:, :channels] = w.reshape(channels, -1).T
    return packed


def fits(problem) -> str:
    return "" if problem.depthwise else "needs one channel a group"


@inner
def fill_ints(p, t, c0, width, out):
    row = (p.groups + LANES - 1) // LANES * LANES
    for c in range(0, width, LANES):
        acc = vectors.fill(0)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                codes = load_codes(p.x_kind, pixel, c0 + c)
                w = load_i32(p.weights + 4 * ((ky * p.kw + kx) * row + c0 + c))
                acc = vectors.multiply_add(codes, w, acc)
        store_i32(out + 4 * c, acc, LANES)


@inner
def fill_floats(p, t, c0, width, out):
    row = (p.groups + LANES - 1) // LANES * LANES
    for c in range(0, width, LANES):
        acc = vectors.to_float(vectors.fill(0))
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = load_f32(p.weights + 4 * ((ky * p.kw + kx) * row + c0 + c))
                acc = vectors.add(acc, vectors.mul(load_f32(pixel + 4 * (c0 + c)), w))
        store_f32(out + 4 * c, acc, LANES)


depthwise_ints = window.pixelwise(fill_ints)
depthwise_floats = window.pixelwise(fill_floats)
