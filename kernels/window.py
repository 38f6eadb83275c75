"""The loops that all window operations share: runs of output pixels, chunks of channels, tiles.

A kernel gets a range of flat output pixels, (image * out_h + y) * out_w + x. For each run of at
most RUN pixels it works out, once, which taps of each pixel fall inside the image, joining
neighbours whose taps are all inside into tiles of P pixels; then, for each chunk of channels and
block of packed weights, it computes the tiles into the scratch; then it runs the program on the
chunk. Padding is exact: a tap outside the image is left out. A linear layer is one endless row.
"""

import math

from lowbit.kernels.entry import inner
from lowbit.kernels.program import CHUNK, RUN, SCRATCH, run_program
from lowbit.kernels.record import WINDOW, reader, record
from lowbit.kernels.simd import stack

# One or P neighbouring output pixels; x is the address of the first one's tap (0, 0), which lies
# at row `top` and column `left` of the image. Taps ky0 <= ky < ky1, kx0 <= kx < kx1 are inside.
TILE = record("x", "first", "pixels", "top", "left", "ky0", "ky1", "kx0", "kx1")
TILE_SIZE = TILE.itemsize

window = reader(WINDOW)
tile = reader(TILE)
scratch_memory = stack(4 * SCRATCH)
tile_memory = stack(RUN * TILE_SIZE)
sum_memory = stack(8 * RUN)


@inner
def first_inside(start, dilation, taps):
    """The first tap at start + dilation k >= 0."""
    return 0 if start >= 0 else min(taps, (dilation - 1 - start) // dilation)


@inner
def past_inside(start, dilation, taps, side):
    """One past the last tap at start + dilation k < side."""
    return max(0, min(taps, (side - start + dilation - 1) // dilation))


@inner
def make_tiles(p, first, count, most, tiles):
    """Fills the table of tiles for a run; returns their number."""
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
        t.first, t.pixels, t.top, t.left = done, 1, y, x
        last = x + (most - 1) * p.stride_w
        whole = x >= 0 and last + (p.kw - 1) * p.dilation_w < p.w
        if whole and done + most <= count and ox + most <= p.out_w:
            t.pixels = most
        made, done, ox = made + 1, done + t.pixels, ox + t.pixels
        if ox == p.out_w:
            ox, oy = 0, oy + 1
            if oy == p.out_h:
                oy, image = 0, image + 1
    return made


@inner
def run_length(p, block):
    """Pixels a run, so that their scratch rows fit; and the stride of a row, which has room for
    the padding lanes of the last group's last block."""
    stride = (min(p.groups * p.width, p.chunk) + 63) // 64 * 64
    if p.groups > 1:
        stride += (block + 63) // 64 * 64
    return min(RUN, SCRATCH // stride), stride


@inner
def no_sums(p, t, x, sums): ...


def product(wide, narrow, most: int, block: int, block_bytes, prepare=no_sums):
    """The kernel whose tiles are computed by wide (`most` pixels) and narrow (one pixel):

        tile(p, t, x, weights, bias, sums, out, stride)

    leaves `block` channels of int32 or float32 at out, stride values a pixel. x is t.x at the
    group's first channel; block_bytes(p) is the size of a block of packed weights. `prepare`
    may leave a number a pixel at `sums`.
    """

    def run(address, lo, hi):
        p = window(address)
        scratch, tiles, sums = scratch_memory(), tile_memory(), sum_memory()
        outs, blocks = p.groups * p.width, (p.width + block - 1) // block
        length, stride = run_length(p, block)
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            made = make_tiles(p, first, count, most, tiles)
            for c0 in range(0, outs, p.chunk):
                c1 = min(outs, c0 + p.chunk)
                for group in range(c0 // p.width, (c1 + p.width - 1) // p.width):
                    shift = group * p.x_group
                    for i in range(made):
                        t = tile(tiles + i * TILE_SIZE)
                        prepare(p, t, t.x + shift, sums)
                    start = max(c0, group * p.width)
                    for c in range(start, min(c1, (group + 1) * p.width), block):
                        b = group * blocks + (c - group * p.width) // block
                        weights = p.weights + b * block_bytes(p)
                        bias = p.bias + b * (4 * block) * p.kh * p.kw
                        out = scratch + 4 * (c - c0)
                        for i in range(made):
                            t = tile(tiles + i * TILE_SIZE)
                            to = out + 4 * stride * t.first
                            if t.pixels == 1:
                                narrow(p, t, t.x + shift, weights, bias, sums, to, stride)
                            else:
                                wide(p, t, t.x + shift, weights, bias, sums, to, stride)
                run_program(p.run_program, (p.program, scratch, first, count, c0, c1 - c0, stride))

    return run


def pixelwise(fill):
    """The kernel whose pixels are computed one at a time: fill(p, t, c0, width, out)."""

    def run(address, lo, hi):
        p = window(address)
        scratch, tiles = scratch_memory(), tile_memory()
        outs = p.groups * p.width
        length, stride = run_length(p, 0)
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            made = make_tiles(p, first, count, 1, tiles)
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
    length, stride = run_length(p, 0)
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
    size = min(groups * width, together * max(1, CHUNK // together))
    if size > SCRATCH - 128:
        raise NotImplementedError(f"{groups} groups of {width} output channels")
    return size
