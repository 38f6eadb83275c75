"""Signed bytes by weights of at most two bits, equation (2) of vnni.py: for one row above all,
where reading the weights is what takes the time."""

import numpy as np
from numba import types

from lowbit.kernels import products, window
from lowbit.kernels.dots import dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.vnni import LANES, prefetch
from lowbit.kernels.simd import (
    I32,
    I64,
    I32x16,
    as_i32,
    intrinsic,
    load,
    offset,
    pointers,
    splat,
    store,
    zeros,
)
from lowbit.spec import QuantSpec

as_i8 = pointers(types.int8)
DEPTH, AHEAD = 16, 4096  # channels in the four bytes of a lane; bytes asked for early


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][sixteen channels][lane][4] uint8. Bits
    2 s and 2 s + 1 of byte j are the index of channel 4 s + j."""
    index = ((w.astype(np.int64) - spec.lo) // spec.step).astype(np.uint8)
    rows = products.blocks(index, groups, block, unit=DEPTH)
    fields = rows.reshape(*rows.shape[:-1], 4, 4)
    return np.ascontiguousarray(sum(fields[..., s, :] << np.uint8(2 * s) for s in range(4)))


def step(pixels: int, vectors: int):
    """The intrinsic acc + sum of index times x, for sixteen channels of each pixel of a tile."""

    @intrinsic
    def step_(typingctx, acc, x, pixel, w):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w = args
            low = I32x16.llvm([I32(0x03030303)] * LANES)
            rows = []
            for v in range(vectors):
                if pixels == 1:
                    prefetch(builder, offset(builder, w, AHEAD + 64 * v))
                rows.append(load(builder, offset(builder, w, 64 * v), I32x16.llvm, 4))
            totals = [builder.extract_value(acc, i) for i in range(pixels * vectors)]
            for s in range(4):
                shift = splat(builder, I32(2 * s), LANES)
                fields = [builder.and_(builder.lshr(r, shift) if s else r, low) for r in rows]
                for p in range(pixels):
                    at = builder.add(x, builder.mul(pixel, I64(p)))
                    one = splat(builder, load(builder, offset(builder, at, 4 * s), I32), LANES)
                    for v in range(vectors):
                        i = p * vectors + v
                        totals[i] = dot(builder, totals[i], fields[v], one)
            for i, total in enumerate(totals):
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 3), codegen

    return step_


def writer(vectors: int):
    """The intrinsic that stores scale acc + sums[pixel]."""

    @intrinsic
    def write(typingctx, acc, scale, sums, out, stride):
        def codegen(context, builder, signature, args):
            acc, scale, sums, out, stride = args
            scale = splat(builder, builder.trunc(scale, I32), LANES)
            for i in range(signature.args[0].count):
                p, v = divmod(i, vectors)
                base = load(builder, offset(builder, sums, 4 * p), I32, 4)
                value = builder.mul(builder.extract_value(acc, i), scale)
                value = builder.add(value, splat(builder, base, LANES))
                store(builder, value, offset(builder, out, 64 * v), 4)
                if v == vectors - 1:
                    out = builder.add(out, builder.mul(stride, I64(4)))
            return context.get_dummy_value()

        return types.void(acc, *[types.int64] * 4), codegen

    return write


@inner
def input_sums(p, t, x, sums):
    """lo sum_c x_c over each pixel's taps."""
    out = as_i32(sums)
    for i in range(t.pixels):
        total = np.int32(0)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                row = as_i8(x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel)
                for c in range(p.depth):
                    total = np.int32(total + np.int32(row[c]))
        out[t.first + i] = np.int32(p.w_lo * total)
        x += p.stride_w * p.x_pixel


def tile(pixels: int, vectors: int):
    none, write = zeros(I32x16, pixels * vectors), writer(vectors)
    step_, row = step(pixels, vectors), 64 * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + DEPTH - 1) // DEPTH
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * steps * row
                for k in range(steps):
                    acc = step_(acc, a + DEPTH * k, pixel, w + row * k)
        write(acc, p.w_step, sums + 4 * t.first, out, stride)

    return tile_


def kernel(pixels: int, vectors: int):
    row = 64 * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + DEPTH - 1) // DEPTH) * row

    wide, narrow = tile(pixels, vectors), tile(1, vectors)
    return window.product(wide, narrow, pixels, LANES * vectors, block_bytes, input_sums)


int_conv_few_bits_4x32 = kernel(4, 2)
