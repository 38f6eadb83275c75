"""Signed bytes by weights of at most two bits on AVX2: the packing of few_bits.py, whose products
add up in int16 for a while, as in bounded.py, before they are widened."""

from lowbit.kernels import dense, window
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.bounded import PAIRS, SHORTS, widened
from lowbit.kernels.int_conv.few_bits import DEPTH, input_sums, scaled, step
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import zeros

RUN = 8  # steps whose sums fit: each has 8 products of at most 3 x 128, and 64 x 3 x 128 < 2^15
LANES, ROW = PAIRS.lanes, PAIRS.bytes


def tile(pixels: int, vectors: int):
    none, none_yet = zeros(PAIRS.vector, pixels * vectors), zeros(SHORTS, pixels * vectors)
    finish, row = finisher(vectors, dense.writer(vectors)), ROW * vectors
    step_, scale = step(PAIRS, pixels, vectors), scaled(LANES, vectors)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + DEPTH - 1) // DEPTH
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * steps * row
                for start in range(0, steps, RUN):
                    few = none_yet()
                    for k in range(start, min(steps, start + RUN)):
                        few = step_(few, a + DEPTH * k, pixel, w + row * k)
                    acc = widened(acc, few)
        finish(p, scale(acc, p.w_step, sums + 4 * t.first), lane, out, stride)

    return tile_


def kernel(pixels: int, vectors: int):
    row = ROW * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + DEPTH - 1) // DEPTH) * row

    wide, narrow = tile(pixels, vectors), tile(1, vectors)
    return window.product(
        wide, narrow, pixels, LANES * vectors, block_bytes, window.Stage(prepare=input_sums)
    )
