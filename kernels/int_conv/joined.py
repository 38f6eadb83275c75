r"""Convolution of few channels, by the instructions of dots.py: a row of taps is one tap.

The channels of the taps (ky, 0), (ky, 1), ... lie side by side in the image, so that their
kw C bytes are multiplied four at a time, with at most three of padding a row, not three a tap.
Where a row of taps leaves the image, zeros and what is inside are put side by side first.
Equation (1) of fours.py holds with the sum over all taps.
"""

import numpy as np

from lowbit.kernels import listed
from lowbit.kernels.dots import Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv import fours
from lowbit.kernels.int_conv.fours import add_row, leaving, step
from lowbit.kernels.int_conv.parts import apart
from lowbit.kernels.listed import following, positions
from lowbit.kernels.program import RUN
from lowbit.kernels.simd import as_i64, as_u8, zeros
from lowbit.spec import QuantSpec

LINE = 16 * RUN  # bytes of addresses for one ky; they lie 16 bytes apart, as `step` reads them
MOST_ROWS, MOST_BYTES = 12, 192  # of a kernel


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C) to [block][part][ky][four bytes][lane][4] int8."""
    rows = apart(w, spec)
    return fours.pack(block, rows.reshape(*rows.shape[:2], 1, -1), spec, groups)


def bias(shift: int, block: int, w: np.ndarray, x_spec: QuantSpec, groups: int) -> np.ndarray:
    """[lane] int32"""
    return fours.taken_off(shift, block, w.reshape(len(w), 1, 1, -1), groups)


def fits(problem) -> str:
    (rows, columns), channels = problem.kernel, problem.channels
    if problem.groups > 1 or problem.dilation[1] > 1 or columns == 1 or channels % 4 == 0:
        return "needs neighbouring taps of channels that do not come in fours"
    small = rows <= MOST_ROWS and columns * channels <= MOST_BYTES
    return "" if small else f"needs {MOST_ROWS} rows of {MOST_BYTES} bytes at most"


@inner
def line(p):
    """Bytes of a row of taps, in whole fours."""
    return (p.kw * p.depth + 3) // 4 * 4


@inner
def room(p):
    return max(1, (listed.TABLE - p.kh * LINE) // (p.kh * line(p)))


@inner
def fill(p, table, first, count):
    """For each ky, the address of each pixel's row of taps."""
    image, oy, ox = positions(p, first)
    copies, size = table + p.kh * LINE, line(p)
    for i in range(count):
        y, x = oy * p.stride_h - p.pad_top, ox * p.stride_w - p.pad_left
        whole = x >= 0 and x + p.kw <= p.w
        for ky in range(p.kh):
            row = y + ky * p.dilation_h
            at = p.x + ((image * p.h + row) * p.w + x) * p.x_pixel
            if row < 0 or row >= p.h:
                at = p.zero
            elif not whole:
                copy_inside(p, as_u8(at), as_u8(copies), x, size)
                at = copies
                copies += size
            as_i64(table + ky * LINE + 16 * i)[0] = at
        image, oy, ox = following(p, image, oy, ox)


@inner
def copy_inside(p, source, target, x, size):
    """A row of taps from column x on, with zeros outside the image."""
    start = min(max(0, -x) * p.depth, size)
    end = max(start, min(p.kw, p.w - x) * p.depth)
    for b in range(start):
        target[b] = 0
    for b in range(start, end):
        target[b] = source[b]
    for b in range(end, size):
        target[b] = 0


def tile(dot: Dot, pixels: int, vectors: int):
    none, finish = (
        zeros(dot.vector, pixels * vectors),
        leaving(dot, vectors),
    )
    turns, step_ = dot.turns, step(dot, pixels, vectors, True)
    add, row = add_row(dot, vectors), dot.bytes * vectors

    @inner
    def tile_(p, table, r, c, weights, out, stride):
        acc, steps = none(), line(p) // 4
        turned = p.x_kind == turns
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, p.bias + 4 * c)
        for _ in range(p.parts):
            pairs = table + 16 * r
            for _ in range(p.kh):
                for k in range(steps):
                    acc = step_(acc, pairs, 4 * k, weights, flip)
                    weights += row
                pairs += LINE
        finish(p, acc, c, out, stride)

    return tile_


def kernel(dot: Dot, pixels: int, vectors: int):
    row = dot.bytes * vectors

    @inner
    def block_bytes(p):
        return p.parts * p.kh * (line(p) // 4) * row

    wide, narrow = tile(dot, pixels, vectors), tile(dot, 1, vectors)
    return listed.product(wide, narrow, pixels, dot.lanes * vectors, block_bytes, fill, room)
