"""Bit-plane convolution. Names read plane_conv_<pixels>x<channels>: the tile held in registers."""

import numpy as np

from lowbit.kernels import counting, window
from lowbit.kernels.entry import inner
from lowbit.kernels.simd import U64x8, as_i32, as_u64, popcount, stack, zeros


@inner
def code_sums(p, t, x, sums):
    """lw S_t, equation (3), summed over each pixel's taps."""
    out = as_i32(sums)
    plane = p.x_pixel // p.planes
    for i in range(t.pixels):
        total = 0
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                at = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                for j in range(p.planes):
                    row = as_u64(at + j * plane)
                    for k in range(p.words):
                        total += popcount(row[k]) << j
        out[t.first + i] = np.int32(p.w_lo * p.x_step * total)
        x += p.stride_w * p.x_pixel


def tile(pixels: int, vectors: int):
    """Equation (1) for `pixels` neighbours by 8 `vectors` channels."""
    none, step = zeros(U64x8, pixels * vectors), counting.step("and_", vectors)
    write, row = counting.writer(vectors, 3, counting.weighted), 64 * vectors
    lanes, memory = 8 * vectors, stack(32 * vectors)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        total = none()
        pixel, plane = p.stride_w * p.x_pixel, p.x_pixel // p.planes
        weight_plane = p.kh * p.kw * p.words * row
        for i in range(p.planes):
            for j in range(p.weight_planes):
                acc = none()
                for ky in range(t.ky0, t.ky1):
                    for kx in range(t.kx0, t.kx1):
                        a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                        w = weights + (ky * p.kw + kx) * p.words * row
                        for k in range(p.words):
                            acc = step(acc, a + i * plane + 8 * k, pixel, w + row * k)
                total = counting.accumulate(total, acc, i + j)
                weights += weight_plane
            weights -= weight_plane * p.weight_planes
        sum_w = memory()
        add_taps(p, t, as_i32(bias), as_i32(sum_w), lanes)
        write(total, (p.x_step * p.w_step, sum_w, sums + 4 * t.first), out, stride)

    return tile_


@inner
def add_taps(p, t, bias, out, lanes):
    """sum_t la W_t."""
    whole, total = window.has_all_taps(p, t), p.kh * p.kw * lanes
    for c in range(lanes):
        out[c] = bias[total + c] if whole else np.int32(0)
    if p.x_lo != 0 and not whole:
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                for c in range(lanes):
                    out[c] += bias[(ky * p.kw + kx) * lanes + c]


def kernel(pixels: int, vectors: int):
    row = 64 * vectors

    @inner
    def block_bytes(p):
        return p.weight_planes * p.kh * p.kw * p.words * row

    wide, narrow = tile(pixels, vectors), tile(1, vectors)
    return window.product(
        wide, narrow, pixels, 8 * vectors, block_bytes, window.Stage(prepare=code_sums)
    )


plane_conv_4x16 = kernel(4, 2)
plane_conv_2x8 = kernel(2, 1)
