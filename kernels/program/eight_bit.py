"""Instructions of 8-bit arithmetic, 64 codes at a time; the reference says what each is.

They form passes with the loads and stores around them, as chain.py does, so that codes leave the
registers once: one pass a form, since a network has one.
"""

import numpy as np

from lowbit.kernels import requantize
from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inlined
from lowbit.kernels.late import INT64, cgutils, types
from lowbit.kernels.program import Op, chain, vectors
from lowbit.kernels.program.vectors import LANES, as_float, load_f32, load_i32
from lowbit.kernels.requantize import MAGIC, MAGIC_BITS, lanes
from lowbit.kernels.simd import I64, F32x16, I32x16, intrinsic, over, pointers

as_i64 = pointers(INT64)


high_product = over(I32x16, I32x16, I32x16, I32x16)(requantize.high_product)


@over(I32x16, I32x16, I32x16)
def lesser(builder, x, y):
    return builder.select(builder.icmp_signed("<", x, y), x, y)


@over(I32x16, I32x16, I32x16)
def plus(builder, x, y):
    return builder.add(x, y)


@over(I32x16, I32x16, I32x16)
def times(builder, x, y):
    return builder.mul(x, y)


@over(I32x16, I32x16, I32x16)
def shift_right(builder, x, count):
    return builder.ashr(x, count)


@over(I32x16, I32x16, INT64)
def byte(builder, x, place):
    upper = builder.ashr(x, lanes(x.type, 8))
    lower = builder.and_(x, lanes(x.type, 255))
    return builder.select(builder.icmp_signed("!=", place, I64(0)), upper, lower)


WIDE = requantize.like(I32x16.llvm, I64)


@intrinsic
def wide_product(typingctx, sums, constants, ends):
    """((256 x + y + bias) m + 2^(t - 1)) >> t in 64 bits, clamped, of two sums and three constants
    a channel."""

    def codegen(context, builder, signature, args):
        pair, three, limits = (cgutils.unpack_tuple(builder, a) for a in args)
        x, y, bias, m, t = (builder.sext(v, WIDE) for v in (*pair, *three))
        total = builder.add(builder.add(builder.shl(x, lanes(WIDE, 8)), y), bias)
        half = builder.shl(lanes(WIDE, 1), builder.sub(t, lanes(WIDE, 1)))
        total = builder.ashr(builder.add(builder.mul(total, m), half), t)
        low, high = (vectors.splat(builder, v, LANES) for v in limits)
        total = requantize.clamp(builder, total, low, high, builder.icmp_signed)
        return builder.trunc(total, I32x16.llvm)

    pair, three = types.UniTuple(I32x16.type, 2), types.UniTuple(I32x16.type, 3)
    return I32x16.type(pair, three, types.UniTuple(types.int64, 2)), codegen


@over(I32x16, F32x16)
def rounded(builder, x):
    """To the nearest integer, ties to even, for |x| < 2^22."""
    bits = builder.bitcast(builder.fadd(x, lanes(F32x16.llvm, MAGIC)), I32x16.llvm)
    return builder.sub(bits, lanes(I32x16.llvm, MAGIC_BITS))


@over(I32x16, F32x16)
def rounded_away(builder, x):
    """To the nearest integer, ties away from zero, for |x| < 2^22."""
    whole = builder.fptosi(x, I32x16.llvm)
    rest = builder.fsub(x, builder.sitofp(whole, F32x16.llvm))
    up = builder.zext(builder.fcmp_ordered(">=", rest, lanes(F32x16.llvm, 0.5)), I32x16.llvm)
    down = builder.zext(builder.fcmp_ordered("<=", rest, lanes(F32x16.llvm, -0.5)), I32x16.llvm)
    return builder.sub(builder.add(whole, up), down)


@inlined
def ends(i):
    """The clamp around the zero point, and the zero point."""
    return vectors.fill(i.lo - i.zero), vectors.fill(i.hi - i.zero), vectors.fill(i.zero)


@inlined
def code(ends, x):
    return plus(lesser(vectors.larger(x, ends[0]), ends[1]), ends[2])


@inlined
def inside(ends, x):
    """The clamp on floats: a NaN is the lowest."""
    x = vectors.greater(x, vectors.to_float(ends[0]))
    return vectors.smaller(x, vectors.to_float(ends[1]))


@inlined
def nearest(ends, x):
    """Codes of floats, without another clamp: both ends are integers."""
    return plus(rounded(inside(ends, x)), ends[2])


# One vector of each instruction: x of pixel `at`, from channel c on. What does not depend on these
# is worked out once for four.


@inlined
def requantize_d(i, ends, none, x, at, c):
    total = plus(x, load_i32(at + 4 * c))
    m, e = load_i32(i.second + 4 * c), load_i32(i.third + 4 * c)
    return code(ends, high_product(total, m, e))


@inlined
def requantize_f(i, ends, none, x, at, c):
    total = vectors.to_float(plus(x, load_i32(at + 4 * c)))
    return nearest(ends, vectors.mul(total, load_f32(i.second + 4 * c)))


@inlined
def quantize_d(i, ends, none, x, at, c):
    whole = rounded_away(inside(ends, vectors.div(as_float(x), load_f32(at + 4 * c))))
    return plus(whole, ends[2])


@inlined
def quantize_f(i, ends, none, x, at, c):
    return nearest(ends, vectors.mul(as_float(x), load_f32(at + 4 * c)))


@inlined
def scales_d(i):
    """Of x and y each minus the zero point, m, e and the sign; of their sum m and e; and 2^h."""
    p, fill = as_i64(i.second), vectors.fill
    x, y = (fill(-p[0]), fill(p[1]), fill(p[2]), fill(p[3])), (fill(-p[4]), fill(p[5]), fill(p[6]))
    return *x, *y, fill(p[7]), fill(p[8]), fill(p[9]), fill(1 << p[10])


@inlined
def add_d(i, ends, p, x, at, c):
    x, y = plus(x, p[0]), plus(load_codes(i.kind, at, c), p[4])
    x, y = high_product(times(x, p[10]), p[1], p[2]), high_product(times(y, p[10]), p[5], p[6])
    return code(ends, high_product(plus(times(x, p[3]), times(y, p[7])), p[8], p[9]))


@inlined
def scales_f(i):
    p, fill = as_i64(i.second), vectors.fill
    half = fill(1 << (p[4] - 1))
    return fill(-p[0]), fill(p[1]), fill(-p[2]), fill(p[3]), half, fill(p[4])


@inlined
def add_f(i, ends, p, x, at, c):
    x, y = plus(x, p[0]), plus(load_codes(i.kind, at, c), p[2])
    total = plus(plus(times(x, p[1]), times(y, p[3])), p[4])
    return code(ends, shift_right(total, p[5]))


@inlined
def zeros(i):
    p = as_i64(i.second)
    return vectors.fill(-p[0]), vectors.fill(-p[1])


@inlined
def mul_codes(i, ends, zeros, x, at, c):
    return times(plus(x, zeros[0]), plus(load_codes(i.kind, at, c), zeros[1]))


@inlined
def byte_of(i, ends, none, x, at, c):
    return byte(x, i.levels)


@inlined
def requantize_wide(i, ends, none, x, at, c):
    v = i.second + 4 * c
    constants = (load_i32(v), load_i32(v + i.step), load_i32(v + 2 * i.step))
    sums = (x, load_codes(i.kind, at, c))
    return plus(wide_product(sums, constants, (i.lo - i.zero, i.hi - i.zero)), ends[2])


@inlined
def nothing(i):
    return ()


def four(one, constants=nothing):
    """The instruction on a block of channels."""

    @inlined
    def step(i, x, at, row, c, left):
        limits, held = ends(i), constants(i)
        return (
            one(i, limits, held, x[0], row, c + (at[0] >> 2)),
            one(i, limits, held, x[1], row, c + (at[1] >> 2)),
            one(i, limits, held, x[2], row, c + (at[2] >> 2)),
            one(i, limits, held, x[3], row, c + (at[3] >> 2)),
        )

    return step


MOVES = {
    Op.STORE_BYTE: chain.store_byte,
    Op.LOAD_WORD: chain.load_word,
    Op.LOAD_BYTE: chain.load_byte,
}
FORM_F = {
    Op.REQUANTIZE_F: four(requantize_f),
    Op.ADD_F: four(add_f, scales_f),
    Op.QUANTIZE_F: four(quantize_f),
    Op.MUL_CODES: four(mul_codes, zeros),
}
FORM_D = {
    Op.REQUANTIZE_D: four(requantize_d),
    Op.ADD_D: four(add_d, scales_d),
    Op.QUANTIZE_D: four(quantize_d),
    Op.MUL_CODES: four(mul_codes, zeros),
}
TWO_BYTES = {Op.BYTE: four(byte_of), Op.REQUANTIZE_WIDE: four(requantize_wide)}


@inlined
def unchanged(i, x, at, row, c, left):
    return x


def otherwise(op: Op, step, rest):
    number = np.int64(op)

    @inlined
    def either(i, x, at, row, c, left):
        if i.op == number:
            return step(i, x, at, row, c, left)
        return rest(i, x, at, row, c, left)

    return either


def one_of(steps):
    """The step of a table, by an instruction's number."""
    found = unchanged
    for op, step in reversed(steps.items()):
        found = otherwise(op, step, found)
    return found


RUNS = {
    name: (frozenset(steps), chain.over_blocks(one_of(steps)))
    for name, steps in {
        "form_f": FORM_F | MOVES,
        "form_d": FORM_D | MOVES,
        "two_bytes": TWO_BYTES | MOVES,
    }.items()
}
