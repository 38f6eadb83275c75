r"""Products of bytes by vpdpbusd. Names read ..._<pixels>x<channels>: the tile held in registers.

The instruction multiplies unsigned by signed. A signed input is read as u = x + 128, its sign bit
turned, and what that adds is taken off again: per output channel and tap, known beforehand,

    sum_c x_c w_c  =  sum_c u_c w_c  -  128 sum_c w_c                                          (1)

Taps outside the image read x = 0 from a row of zeros, for which (1) holds as well. Few-bit weights
trade places with the input: their indices, w = lo + step i, are the unsigned operand, two bits
each, four to a byte, and

    sum_c x_c w_c  =  step sum_c i_c x_c  +  lo sum_c x_c.                                      (2)
"""

import numpy as np
from llvmlite import ir
from numba import types

from lowbit.kernels import dense, products, window
from lowbit.kernels.dots import dot
from lowbit.kernels.entry import inner
from lowbit.kernels.layout import Layout
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import (
    I8,
    I32,
    I64,
    I32x16,
    call,
    intrinsic,
    load,
    offset,
    splat,
    zeros,
)
from lowbit.spec import QuantSpec

LANES, BYTE = 16, int(Layout.BYTE)
AHEAD = 2048  # bytes by which a single row's weights are asked for early


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][four channels][lane][4] int8."""
    return products.blocks(w.astype(np.int8), groups, block, unit=4)


def bias(block: int, w: np.ndarray, x_spec: QuantSpec, groups: int) -> np.ndarray:
    """-128 sum_c w_c of equation (1), [group][block][tap][lane] int32; read for signed bytes,
    which is how codes of 0 to 127 are held as well."""
    sums = -128 * w.sum(-1, keepdims=True, dtype=np.int64)
    return products.blocks(sums.astype(np.int32), groups, block)


def prefetch(builder, address) -> None:
    pointer = builder.inttoptr(address, I8.as_pointer())
    call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, I32(0), I32(2), I32(1))


def step(pixels: int, vectors: int, listed: bool):
    """The intrinsic acc + x w for four channels of each pixel of a tile. The pixels lie at
    x, x + pixel, ..., or, listed, `pixel` bytes past the addresses at x, x + 16, ..."""

    @intrinsic
    def step_(typingctx, acc, x, pixel, w, flip):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w, flip = args
            if pixels == 1:
                for v in range(vectors):
                    prefetch(builder, offset(builder, w, AHEAD + 64 * v))
            rows = [
                load(builder, offset(builder, w, 64 * v), I32x16.llvm, 4) for v in range(vectors)
            ]
            turned = splat(builder, builder.trunc(flip, I32), LANES)
            for i in range(signature.args[0].count):
                p, v = divmod(i, vectors)
                if v == 0:
                    at = x
                    if listed:
                        at = load(builder, offset(builder, x, 16 * p), I64, 8)
                        at = builder.add(at, pixel)
                    one = builder.xor(splat(builder, load(builder, at, I32), LANES), turned)
                    x = x if listed else builder.add(x, pixel)
                total = dot(builder, builder.extract_value(acc, i), one, rows[v])
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 4), codegen

    return step_


def add_row(vectors: int):
    """The intrinsic that adds the row of int32 at an address to every pixel of a tile."""

    @intrinsic
    def add(typingctx, acc, row):
        def codegen(context, builder, signature, args):
            acc, row = args
            for i in range(signature.args[0].count):
                one = load(builder, offset(builder, row, 64 * (i % vectors)), I32x16.llvm, 4)
                total = builder.add(builder.extract_value(acc, i), one)
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, types.int64), codegen

    return add


def tile(pixels: int, vectors: int):
    none, finish = zeros(I32x16, pixels * vectors), finisher(vectors, dense.writer(vectors))
    step_, add, row = step(pixels, vectors, False), add_row(vectors), 64 * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + 3) // 4
        signed = p.x_kind == BYTE
        flip = 0x80808080 if signed else 0
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                tap = ky * p.kw + kx
                w = weights + tap * steps * row
                for k in range(steps):
                    acc = step_(acc, a + 4 * k, pixel, w + row * k, flip)
                if signed:
                    acc = add(acc, bias + tap * row)
        finish(p, acc, lane, out, stride)

    return tile_


def masked(pixels: int, vectors: int):
    none, finish = zeros(I32x16, pixels * vectors), finisher(vectors, dense.writer(vectors))
    step_, add, row = step(pixels, vectors, True), add_row(vectors), 64 * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, shift, pairs = none(), x - t.x, t.table + 8 * pixels
        signed = p.x_kind == BYTE
        flip = 0x80808080 if signed else 0
        for tap in range(p.kh * p.kw):
            for k in range((p.depth + 3) // 4):
                acc = step_(acc, pairs, shift + 4 * k, weights, flip)
                weights += row
            pairs += 16 * pixels
            if signed:
                acc = add(acc, bias + tap * row)
        finish(p, acc, lane, out, stride)

    return tile_


def kernel(pixels: int, vectors: int):
    row = 64 * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + 3) // 4) * row

    wide, narrow, mask = tile(pixels, vectors), tile(1, vectors), masked(pixels, vectors)
    return window.product(wide, narrow, pixels, LANES * vectors, block_bytes, masked=mask)


int_conv_dots_4x64 = kernel(4, 4)
int_conv_dots_8x32 = kernel(8, 2)
