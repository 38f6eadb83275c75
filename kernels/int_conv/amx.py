r"""Products of bytes by AMX: tiles of 32 pixels by 32 channels, in eight registers of 1 KB.

A register of codes holds 64 bytes of depth for 16 pixels; one of weights 16 rows of four channels
for 16 lanes, which is how fours.py packs them, with the depth padded to 64 by zeros. Codes are
multiplied as they are, signed or not.

Pixels that lie evenly are loaded from where they are; a tile of them may read on beyond the end of
a row, and compute what it does not store. All others are gathered once a run, for all blocks of
weights. The registers are laid out once a call.

The unit multiplies while the next registers are loaded: a step of four products takes 28 ns with
codes and weights in the nearest cache, of which the products are 26, on an Emerald Rapids; 38 from
rows that straddle cache lines. For seconds at a time it takes 80 to 110, in any order of loads,
though loads alone and products alone take what they took: perhaps beside a neighbour on the core.

A machine without AMX runs the tiles on the emulated ones of amx_registers.py, and finds the
instructions in the assembly (tests/kernels/test_amx.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit.kernels import dense, listed, products, window
from lowbit.kernels.dots import VNNI_512, Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv import fours
from lowbit.kernels.int_conv.parts import apart
from lowbit.kernels.late import types
from lowbit.kernels.layout import Layout
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import (
    I32x16,
    as_i64,
    as_u8,
    copy_bytes,
    intrinsic,
    load,
    offset,
    stack,
    vector_load,
)
from lowbit.spec import QuantSpec

REQUIRES = frozenset({"amx-int8", "amx-tile", *VNNI_512.requires})
PIXELS, LANES, DEPTH = 32, 32, 64
HALF = PIXELS // 2  # a register's
ROW, BYTE = 4 * LANES, int(Layout.BYTE)

# Of a run: bytes gathered, and pixels. Of a tile: the fewest pixels, which one by one would be
# slower, and how many leave together, so that what belongs to the channels is read once for all.
ROOM, LONGEST, FEWEST, TOGETHER = 2**19, 256, 4, 4
MOST = ROOM // (PIXELS * DEPTH) - 1  # steps of depth of a sum, taps times channels

memory, slab, load_row = stack(3 * 4096), stack(ROOM), vector_load(I32x16)


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][part][tap][four channels][lane][4] int8."""
    spare = -w.shape[-1] % DEPTH
    padded = np.pad(apart(w, spec), ((0, 0), (0, 0), (0, 0), (0, spare)))
    return products.blocks(padded, groups, LANES, unit=4)


@inner
def write_configuration(at):
    """Palette 1: eight registers of 16 rows of 64 bytes."""
    for i in range(8):
        as_i64(at)[i] = 0
    as_u8(at)[0] = 1
    for r in range(8):
        as_u8(at + 16)[2 * r] = 64
        as_u8(at + 48)[r] = 16


@dataclass(frozen=True)
class Taps:
    """What the tiles take for a tap: `columns` of them in a row of a kernel, of `depth` channels.
    Gathered, each of the kernel's own taps is `copied` bytes, `chunk` at a time."""

    columns: Any
    depth: Any
    copied: Any
    chunk: int


@inner
def columns(p):
    return p.kw


@inner
def depth(p):
    return p.depth


@inner
def copied(p):
    return (p.depth + DEPTH - 1) // DEPTH * DEPTH


EACH = Taps(columns, depth, copied, DEPTH)


def sizes(taps: Taps):
    """Steps of depth a tap; bytes from one gathered pixel to the next, an odd number of cache lines
    for most depths, so that 16 pixels do not compete for the same places of the cache; and the
    pixels of a run, for each of which all weights are read anew."""
    columns, depth = taps.columns, taps.depth

    @inner
    def steps_of(p):
        return (depth(p) + DEPTH - 1) // DEPTH

    @inner
    def gathered_bytes(p):
        return (p.kh * columns(p) * steps_of(p) + 1) * DEPTH

    @inner
    def pixels_of_run(p):
        return min(LONGEST, ROOM // gathered_bytes(p) // PIXELS * PIXELS)

    return steps_of, gathered_bytes, pixels_of_run


def gathering(taps: Taps):
    """What copies the pixels of a masked tile. Where it has none is whatever was there: never
    stored, as what a copy writes beyond a row of taps is written over or multiplied by zero."""
    steps_of, gathered_bytes, _ = sizes(taps)
    columns, copied, chunk = taps.columns, taps.copied, np.int64(taps.chunk)

    @inner
    def copy(kind, source, target, count):
        for i in range(0, count, chunk):
            copy_bytes(target + i, source + i, chunk)

    write_inputs = listed.inputs_of_pixel(copy, 1)

    @inner
    def gather(p, t, x, room):
        if t.table == 0:
            return
        row, line = p.w * p.x_pixel, columns(p) * steps_of(p) * DEPTH
        image, y, left = x - t.top * row - t.left * p.x_pixel, t.top, t.left
        for i in range(t.first, t.first + t.pixels):
            write_inputs(p, image, y, left, copied(p), room + i * gathered_bytes(p), line)
            left += p.stride_w
            if left + p.pad_left == p.stride_w * p.out_w:
                left, y = -p.pad_left, y + p.stride_h
                if y + p.pad_top == p.stride_h * p.out_h:
                    y, image = -p.pad_top, image + p.h * row

    return gather


def layout_of(registers):
    """What lays the registers out, and gives them back."""
    configure, release = registers.configure(), registers.release()

    @inner
    def begin(p, room):
        write_configuration(room)
        configure(room, room, 0)

    @inner
    def end(p, room):
        release(room, 0, 0)

    return begin, end


def multiplication(registers):
    """Adds one step of depth to the four registers of sums; a and b say where it lies. Without the
    second half of the pixels there are two."""
    load_a0, load_a1, load_b0, load_b1 = (registers.load(r) for r in (4, 5, 6, 7))
    four = ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7))
    s0, s1, s2, s3 = (registers.dot(*numbers, True) for numbers in four)
    u0, u1, u2, u3 = (registers.dot(*numbers, False) for numbers in four)

    @inner
    def multiply(state, signed, both, a, pixel, b):
        load_a0(state, a, pixel)
        load_b0(state, b, ROW)
        load_b1(state, b + 64, ROW)
        if signed:
            s0(state, a, 0)
            s1(state, a, 0)
        else:
            u0(state, a, 0)
            u1(state, a, 0)
        if both:
            load_a1(state, a + HALF * pixel, pixel)
            if signed:
                s2(state, a, 0)
                s3(state, a, 0)
            else:
                u2(state, a, 0)
                u3(state, a, 0)

    return multiply


def clearing(registers):
    z0, z1, z2, z3 = (registers.zero(c) for c in range(4))

    @inner
    def clear(state):
        z0(state, 0, 0)
        z1(state, 0, 0)
        z2(state, 0, 0)
        z3(state, 0, 0)

    return clear


@intrinsic
def load_rows(typingctx, at):
    """TOGETHER rows of sums, as a tile of the other kernels has them."""
    kind = types.UniTuple(I32x16.type, 2 * TOGETHER)

    def codegen(context, builder, signature, args):
        acc = context.get_value_type(kind)(None)
        for i in range(2 * TOGETHER):
            row = load(builder, offset(builder, args[0], 64 * i), I32x16.llvm, 64)
            acc = builder.insert_value(acc, row, i)
        return acc

    return kind(types.int64), codegen


def leaving(registers):
    """From the registers of sums through memory to where the tile's values go."""
    k0, k1, k2, k3 = (registers.store(c) for c in range(4))
    finish = finisher(2, dense.writer(2), registers.packs)

    @inner
    def leave(p, state, sums, pixels, lane, out, stride):
        k0(state, sums, ROW)
        k1(state, sums + 64, ROW)
        if pixels > HALF:
            k2(state, sums + HALF * ROW, ROW)
            k3(state, sums + HALF * ROW + 64, ROW)
        row = stride * (4 if p.direct <= window.WORDS else 1)
        whole = pixels // TOGETHER * TOGETHER
        for i in range(0, whole, TOGETHER):
            finish(p, load_rows(sums + ROW * i), lane, out + row * i, stride)
        for i in range(whole, pixels):
            one = (load_row(sums + ROW * i), load_row(sums + ROW * i + 64))
            finish(p, one, lane, out + row * i, stride)

    return leave


def tiles(registers, taps: Taps):
    """The tile of pixels that lie evenly, and that of gathered ones."""
    multiply, clear, leave = multiplication(registers), clearing(registers), leaving(registers)
    (steps_of, gathered_bytes, _), columns = sizes(taps), taps.columns

    @inner
    def evenly(p, t, x, weights, bias, sums, lane, out, stride):
        state, both = memory(), t.pixels > HALF
        signed, pixel, steps = p.x_kind == BYTE, p.stride_w * p.x_pixel, steps_of(p)
        clear(state)
        for part in range(p.parts):
            for ky in range(t.ky0, t.ky1):
                for kx in range(columns(p)):
                    a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                    tap = (part * p.kh + ky) * columns(p) + kx
                    w = weights + tap * steps * HALF * ROW
                    for k in range(steps):
                        multiply(state, signed, both, a + DEPTH * k, pixel, w + HALF * ROW * k)
        leave(p, state, state + 8192, t.pixels, lane, out, stride)

    @inner
    def gathered(p, t, x, weights, bias, sums, lane, out, stride):
        state, a = memory(), sums + t.first * gathered_bytes(p)
        signed, both = p.x_kind == BYTE, t.pixels > HALF
        clear(state)
        pixel, steps = gathered_bytes(p), p.kh * columns(p) * steps_of(p)
        for _ in range(p.parts):
            for k in range(steps):
                multiply(state, signed, both, a + DEPTH * k, pixel, weights + HALF * ROW * k)
            weights += HALF * ROW * steps
        leave(p, state, state + 8192, t.pixels, lane, out, stride)

    return evenly, gathered


def product(registers, taps: Taps, narrow, fewest: int):
    """`narrow` computes single pixels, where `fewest` are not left for a tile."""
    steps_of, _, pixels_of_run = sizes(taps)
    columns = taps.columns

    @inner
    def block_bytes(p):
        return p.parts * p.kh * columns(p) * steps_of(p) * HALF * ROW

    begin, end = layout_of(registers)
    stage = window.Stage(slab, begin, gathering(taps), end, pixels_of_run, LONGEST, gathers=True)
    wide, masked = tiles(registers, taps)
    narrow = narrow or masked
    return window.product(wide, narrow, PIXELS, LANES, block_bytes, stage, masked, fewest)


def kernel(registers, dot: Dot = VNNI_512):
    """`dot` is for pixels that are too few."""
    narrow = fours.tile(dot, 1, LANES // dot.lanes, multiple=DEPTH // 4)
    return product(registers, EACH, narrow, FEWEST)
