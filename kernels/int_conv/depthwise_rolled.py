r"""Each channel by its own kernel of 3 x 3, along a row of pixels, by the instructions of dots.py.

Four neighbouring bytes of a row of a channel have to lie in one lane. For each row of the kernel
there is a vector of the last four columns; the next pixel of the row moves it by a byte and takes
in one column, where depthwise_fours.py loads and turns four for every four taps. The first pixel
of a row or a tile takes in all columns of the kernel.
"""

from typing import Any

import numpy as np
from llvmlite import ir

from lowbit.kernels import listed, window
from lowbit.kernels.dots import Dot
from lowbit.kernels.entry import inlined, inner
from lowbit.kernels.int_conv.depthwise_fours import PAIRS, blocked, fill_pairs, padded_taps
from lowbit.kernels.int_conv.fours import add_row, leaving, load_rows
from lowbit.kernels.late import types
from lowbit.kernels.program import RUN
from lowbit.kernels.simd import I8, I64, as_i64, call, intrinsic, load, offset, splat, zeros
from lowbit.spec import QuantSpec

SIDE, COLUMNS = 3, 4  # of the kernel; in a lane
ROWS = listed.TABLE - 8 * RUN  # where the places of pixels in their rows are


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(C, 3, 3, 1) to [block][ky][channel][4] int8; the first of four is a column too old."""
    rows = blocked(w, block).reshape(-1, block, SIDE, SIDE)
    packed = np.pad(rows.astype(np.int8), ((0, 0), (0, 0), (0, 0), (COLUMNS - SIDE, 0)))
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3))


@inner
def room(p):
    return (ROWS - PAIRS) // (8 * padded_taps(p)) - 1


@inner
def fill(p, table, first, count):
    """Each pixel's taps; and whether its left neighbour is one of its row."""
    fill_pairs(p, table, first, count)
    inside, x = as_i64(table + ROWS), first % p.out_w
    for i in range(count):
        inside[i] = x
        x = x + 1 if x + 1 < p.out_w else 0


def rolling(dot: Dot, vectors: int):
    """The intrinsic that takes in a column: SIDE rows of `vectors` vectors. Its taps' addresses are
    `base` and what the table says, SIDE entries apart."""

    codes, eight = ir.VectorType(I8, dot.lanes), dot.vector.llvm([8] * dot.lanes)

    def taken_in(builder, four, x):
        name = f"llvm.fshr.v{dot.lanes}i32"
        return call(builder, name, four.type, builder.zext(x, four.type), four, eight)

    @intrinsic
    def roll(typingctx, state, table, base, flip):
        def codegen(context, builder, signature, args):
            state, table, base, flip = args
            turned = splat(builder, builder.trunc(flip, I8), dot.lanes)
            for i in range(SIDE * vectors):
                ky, v = divmod(i, vectors)
                at = builder.add(load(builder, offset(builder, table, 8 * SIDE * ky), I64, 8), base)
                x = load(builder, offset(builder, at, dot.lanes * v), codes)
                four = builder.extract_value(state, i)
                four = taken_in(builder, four, builder.xor(x, turned))
                state = builder.insert_value(state, four, i)
            return state

        return state(state, *[types.int64] * 3), codegen

    return roll


def multiplication(dot: Dot, vectors: int, pixel: int):
    """The intrinsic that adds all rows of the kernel to one of the pixels in `acc`."""

    @intrinsic
    def multiply(typingctx, acc, state, weights):
        def codegen(context, builder, signature, args):
            acc, state, weights = args
            rows = load_rows(builder, weights, dot, SIDE * vectors)
            for i, w in enumerate(rows):
                at = vectors * pixel + i % vectors
                four = builder.extract_value(state, i)
                total = dot.emit(builder, builder.extract_value(acc, at), four, w)
                acc = builder.insert_value(acc, total, at)
            return acc

        return acc(acc, state, types.int64), codegen

    return multiply


def neighbours(dot: Dot, vectors: int, pixels: int):
    """The function that computes so many pixels of a tile, from the i-th on."""
    if pixels == 0:

        @inlined
        def nothing(pairs, inside, i, c, weights, flip, state, acc):
            return state, acc

        return nothing

    before, multiply = (
        neighbours(dot, vectors, pixels - 1),
        multiplication(dot, vectors, pixels - 1),
    )
    roll, nth = rolling(dot, vectors), np.int64(pixels - 1)

    @inlined
    def compute(pairs, inside, i, c, weights, flip, state, acc):
        state, acc = before(pairs, inside, i, c, weights, flip, state, acc)
        base, taps = pairs[2 * (i + nth)], pairs[2 * (i + nth) + 1]
        for kx in range(SIDE - 1 if i + nth > 0 and inside[i + nth] else 0, SIDE):
            state = roll(state, taps + 8 * kx, base + c, flip)
        return state, multiply(acc, state, weights)

    return compute


def tile(dot: Dot, pixels: int, vectors: int, together: int) -> Any:
    """`together` pixels leave the registers at once: what belongs to channels is read once."""
    none, empty = zeros(dot.vector, together * vectors), zeros(dot.vector, SIDE * vectors)
    compute, add = neighbours(dot, vectors, together), add_row(dot, vectors)
    finish, turns = leaving(dot, vectors), dot.turns
    count, step = np.int64(pixels), np.int64(together)

    @inner
    def tile_(p, table, r, c, weights, out, stride):
        pairs, inside = as_i64(table + 16 * r), as_i64(table + ROWS + 8 * r)
        state, turned = empty(), p.x_kind == turns
        flip = 0x80 if turned else 0
        size = 4 if p.direct <= window.WORDS else 1
        for i in range(0, count, step):
            acc = none()
            if turned:
                acc = add(acc, p.bias + 4 * c)
            state, acc = compute(pairs, inside, i, c, weights, flip, state, acc)
            finish(p, acc, c, out + size * stride * i, stride)

    return tile_


def kernel(dot: Dot, pixels: int, vectors: int):
    block = dot.lanes * vectors

    @inner
    def block_bytes(p):
        return SIDE * COLUMNS * block

    together = max(1, dot.lanes // 2 // vectors)  # sums in half as many registers as lanes
    wide, narrow = tile(dot, pixels, vectors, together), tile(dot, 1, vectors, 1)
    return listed.product(wide, narrow, pixels, block, block_bytes, fill, room)
