"""Tiles of multiplied sums: output pixels by output channels, for products over unpacked codes.

A tile is a tuple of accumulator vectors of sixteen channels, int32 or float32. A step takes one
unit of depth: one channel, or a pair of byte channels whose products are added at once.
"""

from llvmlite import ir

from lowbit.kernels import window
from lowbit.kernels.entry import inner
from lowbit.kernels.late import types
from lowbit.kernels.layout import Layout
from lowbit.kernels.simd import (
    F32,
    I8,
    I16,
    I32,
    I64,
    F32x16,
    I32x16,
    intrinsic,
    load,
    offset,
    splat,
    store,
    zeros,
)

LANES = 16
UBYTE = int(Layout.UBYTE)
PAIRS = ir.VectorType(I16, 2 * LANES)


class Floats:
    """float32 by float32: the product is rounded, then the sum."""

    vector, depth, unit, weight, row = F32x16, 1, 4, F32x16.llvm, 64

    @staticmethod
    def spread(builder, address, mask):
        return splat(builder, load(builder, address, F32, 4), LANES)

    @staticmethod
    def add(builder, acc, x, w):
        return builder.fadd(acc, builder.fmul(x, w))


class Words:
    """int32 by int32, modulo 2^32: exact, as the sums are known to fit."""

    vector, depth, unit, weight, row = I32x16, 1, 4, I32x16.llvm, 64

    @staticmethod
    def spread(builder, address, mask):
        return splat(builder, load(builder, address, I32, 4), LANES)

    @staticmethod
    def add(builder, acc, x, w):
        return builder.add(acc, builder.mul(x, w))


class BytePairs:
    """Two bytes, signed or not, by two int16, to int32: LLVM finds pmaddwd in it.

    A byte is sign-extended and masked, with 0x00ff for unsigned codes. An odd depth reads one
    byte past its end and multiplies it by zero.
    """

    vector, depth, unit, weight, row = I32x16, 2, 1, PAIRS, 64

    @staticmethod
    def spread(builder, address, mask):
        pair = splat(builder, load(builder, address, I16), LANES)
        wide = builder.sext(builder.bitcast(pair, ir.VectorType(I8, 2 * LANES)), PAIRS)
        return builder.and_(wide, splat(builder, builder.trunc(mask, I16), 2 * LANES))

    @staticmethod
    def add(builder, acc, x, w):
        return add_pairs(builder, acc, x, w)


def add_pairs(builder, acc, x, w):
    """acc_i + x_(2 i) w_(2 i) + x_(2 i + 1) w_(2 i + 1), int16 to int32."""
    lanes = acc.type.count
    wide, half = (ir.VectorType(I32, n) for n in (2 * lanes, lanes))
    product = builder.mul(builder.sext(x, wide), builder.sext(w, wide))
    each = (
        builder.shuffle_vector(product, wide(ir.Undefined), half(list(range(h, 2 * lanes, 2))))
        for h in (0, 1)
    )
    return builder.add(acc, builder.add(*each))


def step(kind, vectors: int):
    """The intrinsic acc + x w for one step of each pixel of a tile; x, x + pixel, ... and w are
    addresses."""

    @intrinsic
    def step_(typingctx, acc, x, pixel, w, mask):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w, mask = args
            places = (offset(builder, w, kind.row * v) for v in range(vectors))
            rows = [load(builder, at, kind.weight, 4) for at in places]
            for i in range(signature.args[0].count):
                if i % vectors == 0:
                    one = kind.spread(builder, x, mask)
                    x = builder.add(x, pixel)
                total = kind.add(builder, builder.extract_value(acc, i), one, rows[i % vectors])
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 4), codegen

    return step_


def writer(vectors: int):
    """The intrinsic that stores a tile as it is."""

    @intrinsic
    def write(typingctx, acc, out, stride):
        def codegen(context, builder, signature, args):
            acc, out, stride = args
            bytes_ = 4 * signature.args[0].dtype.llvm.count
            for i in range(signature.args[0].count):
                v = i % vectors
                store(builder, builder.extract_value(acc, i), offset(builder, out, bytes_ * v), 4)
                if v == vectors - 1:
                    out = builder.add(out, builder.mul(stride, I64(4)))
            return context.get_dummy_value()

        return types.void(acc, types.int64, types.int64), codegen

    return write


def tile(kind, pixels: int, vectors: int):
    none, step_, write = zeros(kind.vector, pixels * vectors), step(kind, vectors), writer(vectors)
    row, depth, bytes_ = kind.row * vectors, kind.depth, kind.unit * kind.depth

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + depth - 1) // depth
        mask = 255 if p.x_kind == UBYTE else -1
        # Neighbouring taps lie side by side in both operands, if nothing lies between: the channels
        # of a first layer are too few for a loop of their own.
        joint = p.dilation_w == 1 and p.x_pixel == bytes_ * steps
        together = steps * (t.kx1 - t.kx0) if joint else steps
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, min(t.kx1, t.kx0 + 1) if joint else t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * steps * row
                for k in range(together):
                    acc = step_(acc, a + bytes_ * k, pixel, w + row * k, mask)
        write(acc, out, stride)

    return tile_


def kernel(kind, pixels: int, vectors: int):
    row, depth = kind.row * vectors, kind.depth

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + depth - 1) // depth) * row

    wide, narrow = tile(kind, pixels, vectors), tile(kind, 1, vectors)
    return window.product(wide, narrow, pixels, LANES * vectors, block_bytes)
