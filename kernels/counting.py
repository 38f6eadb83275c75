"""Tiles of bit counts: output pixels by output channels, for products over packed planes."""

from llvmlite import ir

from lowbit.kernels.late import cgutils, types
from lowbit.kernels.simd import (
    I32,
    I64,
    U64x8,
    intrinsic,
    joined,
    load,
    offset,
    popcounts,
    prefetch,
    splat,
    store,
)

LANES, AHEAD = 8, 8192
HALF = ir.VectorType(I32, LANES)


def step(combine: str, vectors: int):
    """The intrinsic acc + popcount(combine(x, w)), for one word of each pixel of a tile.

    `acc` is a tuple of `vectors` vectors of channels a pixel; the words of the pixels lie at
    x, x + pixel, ..., those of the channels at w.
    """

    @intrinsic
    def step_(typingctx, acc, x, pixel, w):
        def codegen(context, builder, signature, args):
            acc, x, pixel, w = args
            if signature.args[0].count == vectors:  # one pixel: reading weights is what takes time
                for v in range(vectors):
                    prefetch(builder, offset(builder, w, AHEAD + 64 * v))
            rows = [
                load(builder, offset(builder, w, 64 * v), U64x8.llvm, 8) for v in range(vectors)
            ]
            for i in range(signature.args[0].count):
                if i % vectors == 0:
                    word = splat(builder, load(builder, x, I64, 8), LANES)
                    x = builder.add(x, pixel)
                bits = getattr(builder, combine)(word, rows[i % vectors])
                total = builder.add(builder.extract_value(acc, i), popcounts(builder, bits))
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, types.int64, types.int64, types.int64), codegen

    return step_


def masked_step(vectors: int):
    """The intrinsic acc + popcount(mask & (x ^ w)), for one word of each pixel of a tile, whose
    pairs (address, mask) lie at `pairs`; the word is `shift` bytes past each address."""

    @intrinsic
    def step_(typingctx, acc, pairs, shift, w):
        def codegen(context, builder, signature, args):
            acc, pairs, shift, w = args
            rows = [
                load(builder, offset(builder, w, 64 * v), U64x8.llvm, 8) for v in range(vectors)
            ]
            for i in range(signature.args[0].count):
                pixel, v = divmod(i, vectors)
                if v == 0:
                    at = load(builder, offset(builder, pairs, 16 * pixel), I64, 8)
                    mask = load(builder, offset(builder, pairs, 16 * pixel + 8), I64, 8)
                    word = splat(builder, load(builder, builder.add(at, shift), I64, 8), LANES)
                    mask = splat(builder, mask, LANES)
                bits = builder.and_(builder.xor(word, rows[v]), mask)
                total = builder.add(builder.extract_value(acc, i), popcounts(builder, bits))
                acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, types.int64, types.int64, types.int64), codegen

    return step_


@intrinsic
def accumulate(typingctx, total, acc, shift):
    """total + (acc << shift)"""

    def codegen(context, builder, signature, args):
        total, acc, shift = args
        shift = splat(builder, shift, LANES)
        for i in range(signature.args[0].count):
            more = builder.shl(builder.extract_value(acc, i), shift)
            more = builder.add(builder.extract_value(total, i), more)
            total = builder.insert_value(total, more, i)
        return total

    return total(total, acc, types.int64), codegen


def writer(vectors: int, operands: int, value):
    """The intrinsic that stores a tile: value(builder, counts, pixel, vector, *operands) gives
    the int32 of each vector of counts."""

    def codegen(context, builder, signature, args):
        acc, given, out, stride = args
        given = cgutils.unpack_tuple(builder, given)
        for i in range(signature.args[0].count):
            pixel, v = divmod(i, vectors)
            counts = builder.trunc(builder.extract_value(acc, i), HALF)
            store(
                builder,
                value(builder, counts, pixel, v, *given),
                offset(builder, out, 32 * v),
                4,
            )
            if v == vectors - 1:
                out = builder.add(out, builder.mul(stride, I64(4)))
        return context.get_dummy_value()

    @intrinsic
    def write(typingctx, acc, given, out, stride):
        tuple_ = types.UniTuple(types.int64, operands)
        return types.void(acc, tuple_, types.int64, types.int64), codegen

    return write


def bit_writer(vectors: int, total):
    """The intrinsic that stores a tile as bits, those of the counts d for which

        total - 2 d >= limit,  that is  d <= floor((total - limit) / 2),                      (1)

    turned round where the bit of the lane at `flips` is set."""

    @intrinsic
    def write(typingctx, acc, given, limits, flips, out, stride):
        def codegen(context, builder, signature, args):
            acc, given, limits, flips, out, stride = args
            one, count = splat(builder, I64(1), LANES), signature.args[0].count
            # All loads, then all stores: LLVM does not know that they are of different memory.
            places = (offset(builder, limits, 64 * v) for v in range(vectors))
            rows = [load(builder, at, U64x8.llvm, 8) for at in places]
            turn = load(builder, flips, ir.IntType(LANES * vectors))
            wholes = [total(builder, given, pixel) for pixel in range(count // vectors)]
            bits = []
            for pixel, whole in enumerate(wholes):
                whole, reached = splat(builder, whole, LANES), []
                for v, limit in enumerate(rows):
                    most = builder.ashr(builder.sub(whole, limit), one)
                    d = builder.extract_value(acc, pixel * vectors + v)
                    reached.append(builder.icmp_signed("<=", d, most))
                bits.append(builder.xor(builder.bitcast(joined(builder, reached), turn.type), turn))
            for word in bits:
                store(builder, word, out)
                out = builder.add(out, stride)
            return context.get_dummy_value()

        return types.void(acc, *[types.int64] * 5), codegen

    return write


def same(builder, total, pixel):
    """One total for all pixels of a tile."""
    return total


def listed(builder, totals, pixel):
    """Each pixel's total, from int64 at an address."""
    return load(builder, offset(builder, totals, 8 * pixel), I64, 8)


def scalar(builder, value):
    return splat(builder, builder.trunc(value, I32), LANES)


def agreement(builder, counts, pixel, v, total):
    """total - 2 counts"""
    return builder.sub(scalar(builder, total), builder.shl(counts, HALF([1] * LANES)))


def agreements(builder, counts, pixel, v, totals):
    """The same with a total a pixel."""
    return agreement(builder, counts, pixel, v, listed(builder, totals, pixel))


def weighted(builder, counts, pixel, v, scale, bias, sums):
    """scale counts + bias[channel] + sums[pixel], the last two addresses of int32"""
    row = load(builder, offset(builder, bias, 32 * v), HALF, 4)
    base = splat(builder, load(builder, offset(builder, sums, 4 * pixel), I32, 4), LANES)
    return builder.add(builder.mul(counts, scalar(builder, scale)), builder.add(row, base))
