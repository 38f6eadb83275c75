"""Sixteen channels of a window's sum, divided by its taps."""

from lowbit.kernels import window
from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inner
from lowbit.kernels.program import vectors
from lowbit.kernels.program.eight_bit import plus
from lowbit.kernels.program.vectors import LANES, store_i32
from lowbit.kernels.simd import I32x16, over


@over(I32x16, I32x16, I32x16)
def rounded_quotient(builder, total, count):
    """Equation (1) of the reference; LLVM's division truncates."""
    zero = total.type(None)
    half = builder.sdiv(count, total.type([2] * LANES))
    up = builder.icmp_signed(">", total, zero)
    moved = builder.add(total, builder.select(up, half, builder.neg(half)))
    return builder.sdiv(moved, count)


@inner
def mean(p, t, c0, width, out):
    count = vectors.fill((t.ky1 - t.ky0) * (t.kx1 - t.kx0))
    for c in range(0, width, LANES):
        total = vectors.fill(0)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.w + kx) * p.x_pixel
                total = plus(total, load_codes(p.x_kind, pixel, c0 + c))
        store_i32(out + 4 * c, rounded_quotient(total, count), LANES)


mean_codes_ints = window.pixelwise(mean)
