"""Signed bytes by weights of at most two bits, equation (2) of fours.py: for one row above all,
where reading the weights is what takes the time."""

import numpy as np

from lowbit.kernels import dense, products, window
from lowbit.kernels.dots import VNNI_512, Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.late import INT8, types
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import (
    I32,
    I64,
    I32x16,
    as_i32,
    intrinsic,
    load,
    offset,
    pointers,
    prefetch,
    splat,
    zeros,
)
from lowbit.spec import QuantSpec

MOST = 2**31 // (192 * 128)  # inputs of a sum: 192 is the largest field, and a quarter adds up
as_i8 = pointers(INT8)
LANES, DEPTH, AHEAD = (
    16,
    16,
    4096,
)  # DEPTH: channels in the four bytes of a lane; bytes asked for early


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][sixteen channels][lane][4] uint8. Bits
    2 s and 2 s + 1 of byte j are the index of channel 4 s + j."""
    index = ((w.astype(np.int64) - spec.lo) // spec.step).astype(np.uint8)
    rows = products.blocks(index, groups, block, unit=DEPTH)
    fields = rows.reshape(*rows.shape[:-1], 4, 4)
    return np.ascontiguousarray(sum(fields[..., s, :] << np.uint8(2 * s) for s in range(4)))


def step(dot: Dot, pixels: int, vectors: int):
    """The intrinsic acc + sum of index times x, for sixteen channels of each pixel of a tile."""

    @intrinsic
    def step_(typingctx, acc, x, pixel, w):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w = args
            low = dot.vector.llvm([I32(0x03030303)] * dot.lanes)
            places = [offset(builder, w, dot.bytes * v) for v in range(vectors)]
            if pixels == 1:
                for at in places[:: 64 // dot.bytes]:
                    prefetch(builder, offset(builder, at, AHEAD))
            rows = [load(builder, at, dot.vector.llvm, 4) for at in places]
            totals = [builder.extract_value(acc, i) for i in range(pixels * vectors)]
            for s in range(4):
                shift = splat(builder, I32(2 * s), dot.lanes)
                fields = [builder.and_(builder.lshr(r, shift) if s else r, low) for r in rows]
                for p in range(pixels):
                    at = builder.add(x, builder.mul(pixel, I64(p)))
                    one = splat(builder, load(builder, offset(builder, at, 4 * s), I32), dot.lanes)
                    for v in range(vectors):
                        i = p * vectors + v
                        totals[i] = dot.emit(builder, totals[i], fields[v], one)
            for i, total in enumerate(totals):
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 3), codegen

    return step_


def single_step(vectors: int):
    """The step of a single pixel, whose sums would wait for each other: the fields have a sum each,
    and stay where they are in their bytes, so that sum s is 4^s times too large."""

    @intrinsic
    def step_(typingctx, acc, x, w):
        def codegen(context, builder, signature, args):
            acc, x, w = args
            rows = []
            for v in range(vectors):
                prefetch(builder, offset(builder, w, AHEAD + 64 * v))
                rows.append(load(builder, offset(builder, w, 64 * v), I32x16.llvm, 4))
            for s in range(4):
                mask = I32x16.llvm([I32(0x03030303 << 2 * s)] * LANES)
                one = splat(builder, load(builder, offset(builder, x, 4 * s), I32), LANES)
                for v, row in enumerate(rows):
                    i = s * vectors + v
                    total = builder.extract_value(acc, i)
                    total = VNNI_512.emit(builder, total, builder.and_(row, mask), one)
                    acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, types.int64, types.int64), codegen

    return step_


def together(vectors: int):
    """The intrinsic from a sum a field to their sum."""

    @intrinsic
    def fold(typingctx, acc):
        kind = types.UniTuple(I32x16.type, vectors)

        def codegen(context, builder, signature, args):
            total = context.get_value_type(kind)(None)
            for v in range(vectors):
                one = builder.extract_value(args[0], v)
                for s in range(1, 4):
                    field = builder.extract_value(args[0], s * vectors + v)
                    shift = I32x16.llvm([2 * s] * LANES)
                    one = builder.add(one, builder.ashr(field, shift))
                total = builder.insert_value(total, one, v)
            return total

        return kind(acc), codegen

    return fold


def scaled(lanes: int, vectors: int):
    """The intrinsic scale acc + sums[pixel]."""

    @intrinsic
    def scale_(typingctx, acc, scale, sums):
        def codegen(context, builder, signature, args):
            acc, scale, sums = args
            scale = splat(builder, builder.trunc(scale, I32), lanes)
            for i in range(signature.args[0].count):
                base = load(builder, offset(builder, sums, 4 * (i // vectors)), I32, 4)
                value = builder.mul(builder.extract_value(acc, i), scale)
                value = builder.add(value, splat(builder, base, lanes))
                acc = builder.insert_value(acc, value, i)
            return acc

        return acc(acc, types.int64, types.int64), codegen

    return scale_


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
    none, finish = zeros(I32x16, pixels * vectors), finisher(vectors, dense.writer(vectors))
    step_, scale, row = step(VNNI_512, pixels, vectors), scaled(LANES, vectors), 64 * vectors

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
        acc = scale(acc, p.w_step, sums + 4 * t.first)
        finish(p, acc, lane, out, stride)

    return tile_


def single(vectors: int):
    """The tile of one pixel."""
    none, finish = zeros(I32x16, 4 * vectors), finisher(vectors, dense.writer(vectors))
    step_, fold, scale, row = (
        single_step(vectors),
        together(vectors),
        scaled(LANES, vectors),
        64 * vectors,
    )

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, steps = none(), (p.depth + DEPTH - 1) // DEPTH
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * steps * row
                for k in range(steps):
                    acc = step_(acc, a + DEPTH * k, w + row * k)
        finish(p, scale(fold(acc), p.w_step, sums + 4 * t.first), lane, out, stride)

    return tile_


def kernel(pixels: int, vectors: int):
    row = 64 * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + DEPTH - 1) // DEPTH) * row

    wide, narrow = tile(pixels, vectors), single(vectors)
    return window.product(
        wide, narrow, pixels, LANES * vectors, block_bytes, window.Stage(prepare=input_sums)
    )
