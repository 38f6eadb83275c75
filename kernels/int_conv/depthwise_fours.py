r"""Each channel by its own kernel, four taps at a time, by the instructions of dots.py.

Four neighbouring taps of a channel have to lie in one lane. The bytes of 4 L channels are loaded
for each of four taps; a transposition of their words, and two rounds of interleaving within 16
bytes, leave four vectors of L channels in order. Equation (1) of fours.py holds with the sum over
all taps, for taps outside the image read zeros.
"""

import numpy as np
from llvmlite import ir
from numba import types

from lowbit.kernels import dense, window
from lowbit.kernels.dots import Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.fours import add_row, load_rows
from lowbit.kernels.program import RUN, SCRATCH, run_program
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import I8, I32, I64, as_i64, intrinsic, load, offset, splat, stack, zeros
from lowbit.spec import QuantSpec

TAPS = 4
TABLE = 8 * 4096  # bytes for the addresses of the taps of a run's pixels
MOST_TAPS = TABLE // 8 // 2

table_memory, scratch_memory, pair_memory = stack(TABLE), stack(4 * SCRATCH), stack(16 * RUN)


def blocked(w: np.ndarray, block: int) -> np.ndarray:
    """(C, kh, kw, 1) to (blocks, block, taps)."""
    flat = w.reshape(len(w), -1)
    padded = np.zeros((-(-len(flat) // block) * block, flat.shape[1]), np.int64)
    padded[: len(flat)] = flat
    return padded.reshape(-1, block, flat.shape[1])


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """[block][four taps][channel][4] int8, zero beyond the last tap and channel."""
    rows = blocked(w, block)
    fours = -(-rows.shape[2] // TAPS)
    packed = np.zeros((len(rows), block, fours * TAPS), np.int8)
    packed[:, :, : rows.shape[2]] = rows
    packed = packed.reshape(len(rows), block, fours, TAPS)
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3))


def bias(shift: int, block: int, w: np.ndarray, x_spec: QuantSpec, groups: int) -> np.ndarray:
    """[channel] int32"""
    return (shift * blocked(w, block).sum(2)).astype(np.int32).reshape(-1)


def interleave(builder, a, b, high: bool):
    """The lower or upper halves of every 16 bytes of two vectors, element by element."""
    count = a.type.count
    size = 128 // a.type.element.width
    first = size // 2 if high else 0
    index = [
        start + first + i + count * which
        for start in range(0, count, size)
        for i in range(size // 2)
        for which in (0, 1)
    ]
    return builder.shuffle_vector(a, b, ir.VectorType(I32, count)(index))


def columns(builder, dot: Dot, taps):
    """Four vectors of a byte a channel, one a tap, to four vectors of four taps a channel."""
    quarter, each = dot.lanes // 4, []
    index = ir.VectorType(I32, dot.lanes)(
        [quarter * j + q for q in range(quarter) for j in range(4)]
    )
    for tap in taps:
        moved = builder.shuffle_vector(tap, tap, index)
        each.append(builder.bitcast(moved, ir.VectorType(I8, dot.bytes)))
    wide = ir.VectorType(ir.IntType(16), 2 * dot.lanes)
    for high in (False, True):
        pairs = [
            builder.bitcast(interleave(builder, each[i], each[i + 1], high), wide) for i in (0, 2)
        ]
        for half in (False, True):
            yield builder.bitcast(interleave(builder, *pairs, half), dot.vector.llvm)


def step(dot: Dot, pixels: int):
    """The intrinsic acc + x w for four taps of each pixel. At `pairs` lie, a pixel, an address
    and that of a table: what to add to the address for each tap, `tap` bytes into the table."""

    @intrinsic
    def step_(typingctx, acc, pairs, tap, channel, w, flip):
        def codegen(context, builder, signature, args):
            acc, pairs, tap, channel, w, flip = args
            weights = load_rows(builder, w, dot, 4)
            turned = splat(builder, builder.trunc(flip, I32), dot.lanes)
            for p in range(pixels):
                base, table = (
                    load(builder, offset(builder, pairs, 16 * p + 8 * i), I64, 8) for i in (0, 1)
                )
                base, table = builder.add(base, channel), builder.add(table, tap)
                taps = []
                for k in range(TAPS):
                    at = load(builder, offset(builder, table, 8 * k), I64, 8)
                    codes = load(builder, builder.add(at, base), dot.vector.llvm)
                    taps.append(builder.xor(codes, turned))
                for v, x in enumerate(columns(builder, dot, taps)):
                    i = 4 * p + v
                    total = dot.emit(builder, builder.extract_value(acc, i), x, weights[v])
                    acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 5), codegen

    return step_


@inner
def fill_pairs(p, pairs, table, first, count, taps):
    """Pixels whose taps are all inside share the table of offsets from their first tap; others
    have their own table of addresses, to be added to nothing."""
    row, ox = first // p.out_w, first % p.out_w
    image, oy = row // p.out_h, row % p.out_h
    to = as_i64(pairs)
    common = as_i64(table)
    own = table + 8 * taps
    for k in range(taps):
        common[k] = 0
    for ky in range(p.kh):
        for kx in range(p.kw):
            step = ky * p.dilation_h * p.w + kx * p.dilation_w
            common[ky * p.kw + kx] = step * p.x_pixel
    last_y, last_x = p.h - (p.kh - 1) * p.dilation_h, p.w - (p.kw - 1) * p.dilation_w
    for i in range(count):
        y, x = oy * p.stride_h - p.pad_top, ox * p.stride_w - p.pad_left
        base = p.x + ((image * p.h + y) * p.w + x) * p.x_pixel
        if y >= 0 and x >= 0 and y < last_y and x < last_x:
            to[2 * i], to[2 * i + 1] = base, table
        else:
            to[2 * i], to[2 * i + 1] = 0, own
            fill_table(p, as_i64(own), base, y, x, taps)
            own += 8 * taps
        ox += 1
        if ox == p.out_w:
            ox, oy = 0, oy + 1
            if oy == p.out_h:
                oy, image = 0, image + 1


@inner
def fill_table(p, table, base, y, x, taps):
    """The addresses of a pixel's taps; zeros for those outside."""
    k = 0
    for ky in range(p.kh):
        dy = ky * p.dilation_h
        for kx in range(p.kw):
            dx = kx * p.dilation_w
            inside = y + dy >= 0 and y + dy < p.h and x + dx >= 0 and x + dx < p.w
            table[k] = base + (dy * p.w + dx) * p.x_pixel if inside else p.zero
            k += 1
    for rest in range(k, taps):
        table[rest] = p.zero


def tile(dot: Dot, pixels: int):
    none, step_, add = zeros(dot.vector, 4 * pixels), step(dot, pixels), add_row(dot, 4)
    finish, turns, size = finisher(4, dense.writer(4)), dot.turns, TAPS * dot.bytes

    @inner
    def tile_(p, pairs, taps, c, weights, out, stride):
        acc = none()
        turned = p.x_kind == turns
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, p.bias + 4 * c)
        for k in range(0, taps, TAPS):
            acc = step_(acc, pairs, 8 * k, c, weights, flip)
            weights += size
        finish(p, acc, c, out, stride)

    return tile_


def kernel(dot: Dot, pixels: int):
    block = dot.bytes
    wide, narrow = tile(dot, pixels), tile(dot, 1)

    def run(address, lo, hi):
        p = window.window(address)
        scratch, table, pairs = scratch_memory(), table_memory(), pair_memory()
        taps = (p.kh * p.kw + TAPS - 1) // TAPS * TAPS
        length = min(RUN, hi - lo, TABLE // (8 * taps) - 1)
        chunk = p.groups
        if p.direct == 0:
            chunk = min(SCRATCH // length, p.groups + 63) // 64 * 64
        size = 4 if p.direct == window.WORDS or p.direct == 0 else 1
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            fill_pairs(p, pairs, table, first, count, taps)
            for c0 in range(0, p.groups, chunk):
                c1 = min(p.groups, c0 + chunk)
                for c in range(c0, c1, block):
                    weights, whole = p.weights + c * taps, count // pixels * pixels
                    out, row = scratch + 4 * (c - c0), 4 * chunk
                    if p.direct != 0:
                        out, row = p.out + first * p.out_pixel + size * c, p.out_pixel
                    for r in range(0, whole, pixels):
                        at = pairs + 16 * r
                        wide(p, at, taps, c, weights, out + row * r, row // size)
                    for r in range(whole, count):
                        at = pairs + 16 * r
                        narrow(p, at, taps, c, weights, out + row * r, row // size)
                if p.direct == 0:
                    program, call = p.program, p.run_program
                    run_program(call, (program, scratch, first, count, c0, c1 - c0, chunk))

    return run
