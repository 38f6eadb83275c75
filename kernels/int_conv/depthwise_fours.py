r"""Each channel by its own kernel, four taps at a time, by the instructions of dots.py.

Four neighbouring taps of a channel have to lie in one lane. The bytes of 4 L channels are loaded
for each of four taps; a transposition of their words, and two rounds of interleaving within 16
bytes, leave four vectors of L channels in order. Equation (1) of fours.py holds with the sum over
all taps, for taps outside the image read zeros.
"""

import numpy as np
from llvmlite import ir

from lowbit.kernels import listed
from lowbit.kernels.dots import Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.fours import add_row, leaving, load_rows
from lowbit.kernels.late import types
from lowbit.kernels.listed import following, positions
from lowbit.kernels.program import RUN
from lowbit.kernels.simd import I8, I32, I64, as_i64, intrinsic, load, offset, splat, zeros
from lowbit.spec import QuantSpec

TAPS = 4
PAIRS = 16 * RUN  # bytes at the start of the table
MOST_TAPS = 1024


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
        a, b = (
            builder.bitcast(interleave(builder, each[i], each[i + 1], high), wide) for i in (0, 2)
        )
        for half in (False, True):
            yield builder.bitcast(interleave(builder, a, b, half), dot.vector.llvm)


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
def padded_taps(p):
    return (p.kh * p.kw + TAPS - 1) // TAPS * TAPS


@inner
def room(p):
    return (listed.TABLE - PAIRS) // (8 * padded_taps(p)) - 1


@inner
def fill_pairs(p, pairs, first, count):
    """Pixels whose taps are all inside share the table of offsets from their first tap; others
    have their own table of addresses, to be added to nothing."""
    image, oy, ox = positions(p, first)
    to, taps, table = as_i64(pairs), padded_taps(p), pairs + PAIRS
    common, own = as_i64(table), table + 8 * taps
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
        image, oy, ox = following(p, image, oy, ox)


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
    finish, turns, size = leaving(dot, 4), dot.turns, TAPS * dot.bytes

    @inner
    def tile_(p, table, r, c, weights, out, stride):
        acc, pairs = none(), table + 16 * r
        turned = p.x_kind == turns
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, p.bias + 4 * c)
        for k in range(0, p.kh * p.kw, TAPS):
            acc = step_(acc, pairs, 8 * k, c, weights, flip)
            weights += size
        finish(p, acc, c, out, stride)

    return tile_


def kernel(dot: Dot, pixels: int):
    block = dot.bytes

    @inner
    def block_bytes(p):
        return block * padded_taps(p)

    return listed.product(
        tile(dot, pixels), tile(dot, 1), pixels, block, block_bytes, fill_pairs, room
    )
