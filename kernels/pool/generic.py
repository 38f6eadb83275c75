"""Pooling on any CPU, vectors of channels at a time, for programs to go on with."""

import math

import numpy as np

from lowbit.kernels import window
from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inner
from lowbit.kernels.pool.taps import combined
from lowbit.kernels.program import run_program, vectors
from lowbit.kernels.program.vectors import LANES, load_f32, store_f32, store_i32
from lowbit.kernels.simd import (
    F32,
    Vector,
    copy_bytes,
)

LOWEST = -(2**31)
MANY = 64  # channels in registers, where there are so many


@inner
def max_ints(p, t, c0, width, out):
    for c in range(0, width, LANES):
        best = vectors.fill(LOWEST)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                best = vectors.larger(load_codes(p.x_kind, pixel, c0 + c), best)
        store_i32(out + 4 * c, best, LANES)


def over_taps(combine, start: float):
    """Many channels of float32 at a time, then the few that are left."""
    many, few = (combined(Vector(F32, lanes), combine, start) for lanes in (MANY, LANES))

    @inner
    def fill(p, t, c0, width, out):
        whole = width // MANY * MANY
        for c in range(0, whole, MANY):
            many(p, t, 4 * (c0 + c), out + 4 * c)
        for c in range(whole, width, LANES):
            few(p, t, 4 * (c0 + c), out + 4 * c)

    return fill


max_floats = over_taps(vectors.larger_or_nan, -math.inf)
sum_floats = over_taps(lambda builder, x, total: builder.fadd(total, x), 0.0)


@inner
def taps(p, t):
    """The count of equation (1)."""
    if p.include_pad == 0:
        return (t.ky1 - t.ky0) * (t.kx1 - t.kx0)
    rows = min(p.kh, p.h + p.pad_top - t.top)
    return rows * min(p.kw, p.w + p.pad_left - t.left)


@inner
def mean_ints(p, t, c0, width, out):
    count = vectors.fill_float(np.float32(taps(p, t)))
    for c in range(0, width, LANES):
        total = vectors.fill_wide(0)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.w + kx) * p.x_pixel
                total = vectors.plus_wide(total, load_codes(p.x_kind, pixel, c0 + c))
        store_f32(out + 4 * c, vectors.div(vectors.wide_to_float(total), count), LANES)


@inner
def mean_floats(p, t, c0, width, out):
    sum_floats(p, t, c0, width, out)
    count = vectors.fill_float(np.float32(taps(p, t)))
    for c in range(0, width, LANES):
        store_f32(out + 4 * c, vectors.div(load_f32(out + 4 * c), count), LANES)


max_pool_ints, max_pool_floats = window.pixelwise(max_ints), window.pixelwise(max_floats)
avg_pool_ints, avg_pool_floats = window.pixelwise(mean_ints), window.pixelwise(mean_floats)


@inner
def add_rows(target, x, y, width):
    for c in range(0, width, LANES):
        total = vectors.add(load_f32(x + 4 * c), load_f32(y + 4 * c))
        store_f32(target + 4 * c, total, width - c)


def mean_halved(address, lo, hi):
    """Equation (2). The first halving goes from the image to the work memory."""
    p = window.window(address)
    scratch, row, outs = window.scratch_memory(), 4 * p.groups, p.groups
    count = vectors.fill_float(np.float32(p.h * p.w))
    for image in range(lo, hi):
        work = p.work + image * p.work_image
        source, rows = p.x + image * (p.h * p.w * row), p.h * p.w
        while rows > 1:
            half = (rows + 1) // 2
            for r in range(rows - half):
                add_rows(work + r * row, source + r * row, source + (r + half) * row, outs)
            if half > rows - half and source != work:
                copy_bytes(work + (half - 1) * row, source + (half - 1) * row, row)
            source, rows = work, half
        for c0 in range(0, outs, p.chunk):
            width = min(p.chunk, outs - c0)
            for c in range(0, width, LANES):
                total = load_f32(source + 4 * (c0 + c))
                store_f32(scratch + 4 * c, vectors.div(total, count), LANES)
            run_program(p.run_program, (p.program, scratch, image, 1, c0, width, p.chunk))
