r"""Products of bytes, four at a time. Names read ..._<pixels>x<channels>: the tile in registers.

The instruction of dots.py multiplies codes of one sign. A code of the other is moved by 128, its
sign bit turned, and what that adds is taken off again: per output channel and tap,

    sum_c x_c w_c  =  sum_c (x_c + 128) w_c  -  128 sum_c w_c.                                 (1)

Taps outside the image read x = 0 from a row of zeros, for which (1) holds as well. A pixel that has
all its taps begins with the sum of what is taken off for each. Few-bit weights
trade places with the input: their indices, w = lo + step i, are the unsigned operand, two bits
each, four to a byte, and

    sum_c x_c w_c  =  step sum_c i_c x_c  +  lo sum_c x_c.                                      (2)
"""

import numpy as np

from lowbit.kernels import dense, products, window
from lowbit.kernels.dots import Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.late import types
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import I32, I64, intrinsic, load, offset, prefetch, splat, zeros
from lowbit.spec import QuantSpec

AHEAD = 8192  # bytes by which a single row's weights are asked for early


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][four channels][lane][4] int8."""
    return products.blocks(w.astype(np.int8), groups, block, unit=4)


def taken_off(shift: int, block: int, w: np.ndarray, groups: int) -> np.ndarray:
    """-128 sum_c w_c of equation (1), [group][block][tap][lane] int32; read where sign bits are
    turned. Codes of 0 to 127 are held as signed bytes as well."""
    sums = shift * w.sum(-1, keepdims=True, dtype=np.int64)
    return products.blocks(sums.astype(np.int32), groups, block)


def bias(shift: int, block: int, w: np.ndarray, x_spec: QuantSpec, groups: int) -> np.ndarray:
    return products.with_total(taken_off(shift, block, w, groups))


def load_rows(builder, w, dot: Dot, vectors: int):
    places = (offset(builder, w, dot.bytes * v) for v in range(vectors))
    return [load(builder, at, dot.vector.llvm, 4) for at in places]


def step(dot: Dot, pixels: int, vectors: int, listed: bool):
    """The intrinsic acc + x w for four channels of each pixel of a tile. The pixels lie at
    x, x + pixel, ..., or, listed, `pixel` bytes past the addresses at x, x + 16, ..."""

    @intrinsic
    def step_(typingctx, acc, x, pixel, w, flip):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w, flip = args
            if pixels == 1:
                for ahead in range(0, dot.bytes * vectors, 64):
                    prefetch(builder, offset(builder, w, AHEAD + ahead))
            rows = load_rows(builder, w, dot, vectors)
            turned = dot.opaque(builder, splat(builder, builder.trunc(flip, I32), dot.lanes))
            for i in range(signature.args[0].count):
                p, v = divmod(i, vectors)
                if v == 0:
                    at = x
                    if listed:
                        at = load(builder, offset(builder, x, 16 * p), I64, 8)
                        at = builder.add(at, pixel)
                    one = splat(builder, load(builder, at, I32), dot.lanes)
                    one = builder.xor(one, turned)
                    x = x if listed else builder.add(x, pixel)
                total = dot.emit(builder, builder.extract_value(acc, i), one, rows[v])
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 4), codegen

    return step_


def add_row(dot: Dot, vectors: int):
    """The intrinsic that adds the row of int32 at an address to every pixel of a tile."""

    @intrinsic
    def add(typingctx, acc, row):
        def codegen(context, builder, signature, args):
            acc, row = args
            rows = load_rows(builder, row, dot, vectors)
            for i in range(signature.args[0].count):
                total = builder.add(builder.extract_value(acc, i), rows[i % vectors])
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, types.int64), codegen

    return add


def leaving(dot: Dot, vectors: int):
    """How a tile of so many vectors a pixel leaves the registers."""
    return finisher(vectors, dense.writer(vectors), dot.packs)


def tile(dot: Dot, pixels: int, vectors: int, multiple: int = 1):
    """Weights are packed with a `multiple` of four channels a tap."""
    none, finish = (
        zeros(dot.vector, pixels * vectors),
        leaving(dot, vectors),
    )
    turns, step_ = dot.turns, step(dot, pixels, vectors, False)
    add, row = add_row(dot, vectors), dot.bytes * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + 3) // 4
        padded = (steps + multiple - 1) // multiple * multiple
        turned, whole = p.x_kind == turns, window.has_all_taps(p, t)
        flip = 0x80808080 if turned else 0
        if turned and whole:
            acc = add(acc, bias + p.kh * p.kw * row)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                tap = ky * p.kw + kx
                w = weights + tap * padded * row
                for k in range(steps):
                    acc = step_(acc, a + 4 * k, pixel, w + row * k, flip)
                if turned and not whole:
                    acc = add(acc, bias + tap * row)
        finish(p, acc, lane, out, stride)

    return tile_


def masked(dot: Dot, pixels: int, vectors: int):
    none, finish = (
        zeros(dot.vector, pixels * vectors),
        leaving(dot, vectors),
    )
    turns, step_ = dot.turns, step(dot, pixels, vectors, True)
    add, row = add_row(dot, vectors), dot.bytes * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, shift, pairs = none(), x - t.x, t.table + 8 * pixels
        turned, taps = p.x_kind == turns, p.kh * p.kw
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, bias + taps * row)
        for _ in range(taps):
            for k in range((p.depth + 3) // 4):
                acc = step_(acc, pairs, shift + 4 * k, weights, flip)
                weights += row
            pairs += 16 * pixels
        finish(p, acc, lane, out, stride)

    return tile_


def kernel(dot: Dot, pixels: int, vectors: int):
    row = dot.bytes * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + 3) // 4) * row

    wide, narrow, mask = (
        tile(dot, pixels, vectors),
        tile(dot, 1, vectors),
        masked(dot, pixels, vectors),
    )
    return window.product(wide, narrow, pixels, dot.lanes * vectors, block_bytes, masked=mask)
