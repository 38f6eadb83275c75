"""Maxima that stay as they are kept, bits or bytes, and run no program: stored where `work` is."""

import numpy as np

from lowbit.kernels import window
from lowbit.kernels.entry import inner
from lowbit.kernels.layout import Layout
from lowbit.kernels.pool.taps import combined
from lowbit.kernels.simd import I8, Vector, as_u64

UBYTE = int(Layout.UBYTE)


def uniting(unite):
    """The kernel of unite(p, t, out), which leaves a pixel as it is kept, in the work memory."""

    def run(address, lo, hi):
        p = window.window(address)
        tiles = window.tile_memory()
        for first in range(lo, hi, window.RUN):
            count = min(window.RUN, hi - first)
            made = window.make_tiles(p, first, count, window.ONE, window.ONE, window.NONE, tiles)
            for i in range(made):
                t = window.tile(tiles + i * window.TILE_SIZE)
                unite(p, t, p.work + (first + i) * p.x_pixel)

    return run


@inner
def unite_bits(p, t, out):
    words, to = p.x_pixel // 8, as_u64(out)
    for k in range(words):
        to[k] = np.uint64(0)
    for ky in range(t.ky0, t.ky1):
        for kx in range(t.kx0, t.kx1):
            x = as_u64(t.x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel)
            for k in range(words):
                to[k] |= x[k]


def larger(compare: str):
    def emit(builder, x, y):
        return builder.select(getattr(builder, compare)(">", x, y), x, y)

    return emit


def unite_bytes(channels: int):
    """The last channels are computed with those before them, again, to be as many."""
    bytes_ = Vector(I8, channels)
    signed = combined(bytes_, larger("icmp_signed"), -128)
    unsigned = combined(bytes_, larger("icmp_unsigned"), 0)

    @inner
    def unite(p, t, out):
        for c in range(0, p.x_pixel, channels):
            at = min(c, p.x_pixel - channels)
            if p.x_kind == UBYTE:
                unsigned(p, t, at, out + at)
            else:
                signed(p, t, at, out + at)

    return unite


max_pool_bits = uniting(unite_bits)


def max_pool_bytes(channels: int):
    return uniting(unite_bytes(channels))
