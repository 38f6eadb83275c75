"""The loops that all window operations share: runs of output pixels, chunks of channels, tiles.

A kernel gets a range of flat output pixels, (image * out_h + y) * out_w + x. For each run of at
most RUN pixels it works out, once, which taps of each pixel fall inside the image, joining
neighbours whose taps are all inside into tiles of P pixels; then, for each chunk of channels and
block of packed weights, it computes the tiles into the scratch; then it runs the program on the
chunk. Padding is exact: a tap outside the image is left out. A linear layer is one endless row.

Kernels that can take masks also join the other pixels, of any rows, into tiles of P: a table
gives each tap of each pixel an address, and a mask that is 0 outside the image. Or their stage
gathers such pixels, and no table is made.

A program that only stores sums, compares them with one threshold a channel and packs the bits, or
makes 8-bit codes of them, or adds such codes to others, is not run at all: the tiles store from
registers. `direct` says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.limit import Limit
from lowbit.kernels.program import CHUNK, RUN, SCRATCH, run_program
from lowbit.kernels.record import WINDOW, reader, record
from lowbit.kernels.simd import as_i64, as_u8, stack

# One or P neighbouring output pixels; x is the address of the first one's tap (0, 0), which lies
# at row `top` and column `left` of the image. Taps ky0 <= ky < ky1, kx0 <= kx < kx1 are inside.
# Masked tiles have a table: P counts of taps inside, then P pairs (address, mask) for each tap.
TILE = record("x", "first", "pixels", "top", "left", "ky0", "ky1", "kx0", "kx1", "table")
TILE_SIZE = TILE.itemsize
TABLES = 24576  # bytes for the tables of a run
# Numba compiles a callee anew for each constant that is a Python int; for NumPy's it does not.
ONE, NONE, GATHERED = np.int64(1), np.int64(0), np.int64(1)
GROUPED = 128  # channels of several groups between two runs of the program, where that is whole
ENDLESS = 2**40  # the length of the row that all rows of a linear layer make together
WORDS, BITS = 1, 2  # direct; requantize.py has the others

window = reader(WINDOW)
tile = reader(TILE)
scratch_memory = stack(4 * SCRATCH)
tile_memory = stack(RUN * TILE_SIZE)
sum_memory = stack(8 * RUN)
table_memory = stack(TABLES)


@inner
def first_inside(start, dilation, taps):
    """The first tap at start + dilation k >= 0."""
    return 0 if start >= 0 else min(taps, (dilation - 1 - start) // dilation)


@inner
def past_inside(start, dilation, taps, side):
    """One past the last tap at start + dilation k < side."""
    return max(0, min(taps, (side - start + dilation - 1) // dilation))


@inner
def make_tiles(p, first, count, most, least, tables, tiles):
    """Fills the table of tiles for a run; returns their number. Masked ones need `tables`, or that
    they are GATHERED, and have from `least` pixels to `most`; all others one or `most`."""
    row, ox = first // p.out_w, first % p.out_w
    image, oy = row // p.out_h, row % p.out_h
    made, done = 0, 0
    while done < count:
        t = tile(tiles + made * TILE_SIZE)
        y, x = oy * p.stride_h - p.pad_top, ox * p.stride_w - p.pad_left
        t.ky0 = first_inside(y, p.dilation_h, p.kh)
        t.ky1 = past_inside(y, p.dilation_h, p.kh, p.h)
        t.kx0 = first_inside(x, p.dilation_w, p.kw)
        t.kx1 = past_inside(x, p.dilation_w, p.kw, p.w)
        t.x = p.x + ((image * p.h + y) * p.w + x) * p.x_pixel
        t.first, t.pixels, t.top, t.left, t.table = done, 1, y, x, 0
        left = min(most, count - done)
        here = min(left, p.out_w - ox)
        if is_even(p, y, x, here) and (
            here == most or (tables == GATHERED and spare(p, t, here, most))
        ):
            t.pixels = here
        elif tables != 0 and left >= least:
            t.pixels, t.table = left, tables
            if tables != GATHERED:
                fill_table(p, tables, image, oy, ox, left, most)
                tables += table_bytes(p, most)
        made, done, ox = made + 1, done + t.pixels, ox + t.pixels
        while ox >= p.out_w:
            ox, oy = ox - p.out_w, oy + 1
            if oy == p.out_h:
                oy, image = 0, image + 1
    return made


@inner
def is_even(p, y, x, pixels):
    """Whether the columns of all taps of neighbours are inside."""
    last = x + (pixels - 1) * p.stride_w + (p.kw - 1) * p.dilation_w
    return x >= 0 and last < p.w


@inner
def spare(p, t, pixels, most):
    """Whether a tile may compute more pixels of a row than it has, which are never stored: halves
    of it are three quarters full, and what is read lies inside the image."""
    half = most // 2
    whole = (pixels + half - 1) // half * half
    y = t.top + (t.ky1 - 1) * p.dilation_h
    last = t.left + (whole - 1) * p.stride_w + (p.kw - 1) * p.dilation_w
    return 4 * pixels >= 3 * whole and p.out_w < ENDLESS and y * p.w + last < p.h * p.w


@inner
def table_bytes(p, most):
    return 8 * most * (1 + 2 * p.kh * p.kw)


@inner
def fill_table(p, table, image, oy, ox, pixels, most):
    counts, entries = as_i64(table), as_i64(table + 8 * most)
    for i in range(pixels):
        y0, x0 = oy * p.stride_h - p.pad_top, ox * p.stride_w - p.pad_left
        k, taps, base = 2 * i, 0, p.x + image * p.h * p.w * p.x_pixel
        for ky in range(p.kh):
            y = y0 + ky * p.dilation_h
            for kx in range(p.kw):
                x = x0 + kx * p.dilation_w
                inside = y >= 0 and y < p.h and x >= 0 and x < p.w
                entries[k] = base + (y * p.w + x) * p.x_pixel if inside else p.zero
                entries[k + 1] = -1 if inside else 0
                taps += 1 if inside else 0
                k += 2 * most
        counts[i] = taps
        ox += 1
        if ox == p.out_w:
            ox, oy = 0, oy + 1
            if oy == p.out_h:
                oy, image = 0, image + 1


@inner
def run_length(p, block):
    """Pixels a run, so that their scratch rows fit; and the stride of a row, which has room for
    the padding lanes of the last group's last block."""
    stride = (min(p.groups * p.width, p.chunk) + 63) // 64 * 64
    if p.groups > 1:
        stride += (block + 63) // 64 * 64
    return min(RUN, SCRATCH // stride), stride


@inner
def shape_of_run(p, block, pixels, most):
    """Pixels a run of a product, the stride of the scratch, and the channels of a chunk.

    A block of weights is read from the nearest cache for all pixels of a run but the first, so
    long runs of few channels are best.
    """
    length, outs = max(1, min(most, pixels)), p.groups * p.width
    if p.direct != 0:
        return length, 0, outs
    length = min(length, RUN)
    if p.groups > 1:
        length, stride = run_length(p, block)
        return length, stride, p.chunk
    chunk = min(SCRATCH // length, outs + 63) // 64 * 64
    return length, chunk, chunk


@inner
def has_all_taps(p, t):
    return t.ky1 - t.ky0 == p.kh and t.kx1 - t.kx0 == p.kw


@inner
def nothing(p, memory): ...


@inner
def nothing_of_a_tile(p, t, x, memory): ...


@inner
def usual_run(p):
    return RUN


@dataclass(frozen=True)
class Stage:
    """What a kernel does around its tiles, all of it with the same `memory` at hand.

    begin(p, memory) and end(p, memory) come first and last in a call; prepare(p, t, x, memory) once
    for each tile of a run and group, before any block of weights. pixels(p) is the longest run, and
    `longest` the longest of those; what leaves through the scratch comes in runs of RUN at most.
    If `prepare` gathers the pixels of masked tiles, they have no tables.
    """

    memory: Callable[[], Any] = sum_memory
    begin: Any = nothing
    prepare: Any = nothing_of_a_tile
    end: Any = nothing
    pixels: Any = usual_run
    longest: int = RUN
    gathers: bool = False


PLAIN = Stage()


def product(
    wide,
    narrow,
    most: int,
    block: int,
    block_bytes,
    stage: Stage = PLAIN,
    masked=None,
    least: int | None = None,
):
    """The kernel whose tiles are computed by wide (`most` pixels) and narrow (one pixel):

        tile(p, t, x, weights, bias, sums, lane, out, stride)

    leaves `block` channels of int32 or float32 at out, stride values a pixel, or what p.direct
    says, for the lanes of packed weights from `lane` on. x is t.x at the group's first channel;
    block_bytes(p) is the size of a block of packed weights; sums is the stage's memory. `masked`
    computes tiles that have a table, of `least` pixels or more: `most`, if it is not said.
    """
    masks, mask_tile = masked is not None, masked or wide
    wide_pixels, fewest, lanes = np.int64(most), np.int64(least or most), np.int64(block)
    begin, prepare, end, pixels = stage.begin, stage.prepare, stage.end, stage.pixels
    stage_memory, run_memory = stage.memory, stack(stage.longest * TILE_SIZE)
    gathers = stage.gathers

    @inner
    def run_block(p, tiles, made, shift, weights, bias, sums, lane, out, row, stride):
        for i in range(made):
            t = tile(tiles + i * TILE_SIZE)
            x, to = t.x + shift, out + row * t.first
            if masks and t.table != 0:
                mask_tile(p, t, x, weights, bias, sums, lane, to, stride)
            elif t.pixels == 1:
                narrow(p, t, x, weights, bias, sums, lane, to, stride)
            else:
                wide(p, t, x, weights, bias, sums, lane, to, stride)

    def run(address, lo, hi):
        p = window(address)
        scratch, tiles, sums = scratch_memory(), run_memory(), stage_memory()
        begin(p, sums)
        tables = GATHERED if gathers else NONE
        if masks and not gathers and table_bytes(p, wide_pixels) <= TABLES:
            tables = table_memory()
        outs, blocks = p.groups * p.width, (p.width + block - 1) // block
        length, stride, chunk = shape_of_run(p, lanes, hi - lo, pixels(p))
        if tables > GATHERED:
            length = max(most, min(length, TABLES // table_bytes(p, ONE)) // most * most)
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            made = make_tiles(p, first, count, wide_pixels, fewest, tables, tiles)
            for c0 in range(0, outs, chunk):
                c1 = min(outs, c0 + chunk)
                for group in range(c0 // p.width, (c1 + p.width - 1) // p.width):
                    shift = group * p.x_group
                    if p.groups > 1 or c0 == 0:
                        for i in range(made):
                            t = tile(tiles + i * TILE_SIZE)
                            prepare(p, t, t.x + shift, sums)
                    start = max(c0, group * p.width)
                    for c in range(start, min(c1, (group + 1) * p.width), block):
                        b = group * blocks + (c - group * p.width) // block
                        weights = p.weights + b * block_bytes(p)
                        bias = p.bias + b * (4 * block) * (p.kh * p.kw + 1)
                        out, row, step = scratch + 4 * (c - c0), 4 * stride, stride
                        if p.direct != 0:
                            out, row = p.out + first * p.out_pixel, p.out_pixel
                            out += 4 * c if p.direct == WORDS else c // 8 if p.direct == BITS else c
                            step = row // 4 if p.direct == WORDS else row
                        run_block(
                            p, tiles, made, shift, weights, bias, sums, b * block, out, row, step
                        )
                if p.direct == 0:
                    program, call = p.program, p.run_program
                    run_program(call, (program, scratch, first, count, c0, c1 - c0, stride))
            if p.direct == BITS:
                clear(p, first, count, blocks * block // 8)
        end(p, sums)

    return run


@inner
def clear(p, first, count, start):
    """Zeroes the bytes of packed pixels that no block reaches."""
    for i in range(first, first + count):
        out = as_u8(p.out + i * p.out_pixel)
        for b in range(start, p.out_pixel):
            out[b] = np.uint8(0)


def pixelwise(fill):
    """The kernel whose pixels are computed one at a time: fill(p, t, c0, width, out)."""

    def run(address, lo, hi):
        p = window(address)
        scratch, tiles = scratch_memory(), tile_memory()
        outs = p.groups * p.width
        length, stride = run_length(p, NONE)
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            made = make_tiles(p, first, count, ONE, ONE, NONE, tiles)
            for c0 in range(0, outs, p.chunk):
                width = min(p.chunk, outs - c0)
                for i in range(made):
                    t = tile(tiles + i * TILE_SIZE)
                    fill(p, t, c0, width, scratch + 4 * stride * i)
                run_program(p.run_program, (p.program, scratch, first, count, c0, width, stride))

    return run


def elementwise(address, lo, hi):
    """The kernel that only runs a program, which loads what it works on."""
    p = window(address)
    scratch, outs = scratch_memory(), p.groups * p.width
    length, stride = run_length(p, NONE)
    for first in range(lo, hi, length):
        for c0 in range(0, outs, p.chunk):
            width = min(p.chunk, outs - c0)
            count = min(length, hi - first)
            run_program(p.run_program, (p.program, scratch, first, count, c0, width, stride))


def chunk(groups: int, width: int) -> int:
    """Channels between two runs of the program: whole words, and whole groups if several."""
    if groups == 1:
        return CHUNK
    together = math.lcm(width, 64)
    size = min(groups * width, together * max(1, GROUPED // together))
    if size > SCRATCH - 128:
        raise Limit(f"{groups} groups of {width} output channels")
    return size
