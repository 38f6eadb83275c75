"""Instructions of 8-bit arithmetic, sixteen codes at a time; the reference says what each is."""

from lowbit.kernels import requantize
from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inner
from lowbit.kernels.late import INT64, cgutils, types
from lowbit.kernels.program import Op, vectors
from lowbit.kernels.program.instructions import one_by_one
from lowbit.kernels.program.vectors import LANES, load_f32, load_i32, store_i32
from lowbit.kernels.requantize import MAGIC, lanes
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


@over(I32x16, I32x16, INT64)
def shift_right(builder, x, count):
    return builder.ashr(x, vectors.splat(builder, builder.trunc(count, vectors.I32), LANES))


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
    magic = lanes(F32x16.llvm, MAGIC)
    return builder.fptosi(builder.fsub(builder.fadd(x, magic), magic), I32x16.llvm)


@over(I32x16, F32x16)
def rounded_away(builder, x):
    """To the nearest integer, ties away from zero, for |x| < 2^22."""
    whole = builder.fptosi(x, I32x16.llvm)
    rest = builder.fsub(x, builder.sitofp(whole, F32x16.llvm))
    up = builder.zext(builder.fcmp_ordered(">=", rest, lanes(F32x16.llvm, 0.5)), I32x16.llvm)
    down = builder.zext(builder.fcmp_ordered("<=", rest, lanes(F32x16.llvm, -0.5)), I32x16.llvm)
    return builder.sub(builder.add(whole, up), down)


@inner
def code(i, x):
    """Clamped around the zero point, and moved to it."""
    x = vectors.larger(x, vectors.fill(i.lo - i.zero))
    x = lesser(x, vectors.fill(i.hi - i.zero))
    return plus(x, vectors.fill(i.zero))


@inner
def inside(i, x):
    """The clamp on floats."""
    x = vectors.greater(x, vectors.to_float(vectors.fill(i.lo - i.zero)))
    return vectors.smaller(x, vectors.to_float(vectors.fill(i.hi - i.zero)))


@inner
def from_zero(x, zero):
    return plus(x, vectors.fill(-zero))


@inner
def sum_d(p, x, y):
    room = vectors.fill(1 << p[10])
    a = high_product(times(from_zero(x, p[0]), room), vectors.fill(p[1]), vectors.fill(p[2]))
    b = high_product(times(from_zero(y, p[4]), room), vectors.fill(p[5]), vectors.fill(p[6]))
    total = plus(times(a, vectors.fill(p[3])), times(b, vectors.fill(p[7])))
    return high_product(total, vectors.fill(p[8]), vectors.fill(p[9]))


@inner
def sum_f(p, x, y):
    a = times(from_zero(x, p[0]), vectors.fill(p[1]))
    b = times(from_zero(y, p[2]), vectors.fill(p[3]))
    half = vectors.fill(1 << (p[4] - 1))
    return shift_right(plus(plus(a, b), half), p[4])


@inner
def step(i, op, x, at, c0, width):
    """One instruction on one pixel."""
    for c in range(0, width, LANES):
        a, word = x + 4 * c, at + 4 * (c0 + c)
        if op == Op.REQUANTIZE_D:
            total = plus(load_i32(a), load_i32(word))
            m, e = load_i32(i.second + 4 * (c0 + c)), load_i32(i.third + 4 * (c0 + c))
            store_i32(a, code(i, high_product(total, m, e)), LANES)
        elif op == Op.REQUANTIZE_F:
            total = vectors.to_float(plus(load_i32(a), load_i32(word)))
            scaled = vectors.mul(total, load_f32(i.second + 4 * (c0 + c)))
            store_i32(a, code(i, rounded(inside(i, scaled))), LANES)
        elif op == Op.QUANTIZE_D:
            scaled = inside(i, vectors.div(load_f32(a), load_f32(word)))
            store_i32(a, code(i, rounded_away(scaled)), LANES)
        elif op == Op.QUANTIZE_F:
            scaled = inside(i, vectors.mul(load_f32(a), load_f32(word)))
            store_i32(a, code(i, rounded(scaled)), LANES)
        elif op == Op.BYTE:
            store_i32(a, byte(load_i32(a), i.levels), LANES)
        elif op == Op.REQUANTIZE_WIDE:
            y, v = load_codes(i.kind, at, c0 + c), i.second + 4 * (c0 + c)
            constants = (load_i32(v), load_i32(v + i.step), load_i32(v + 2 * i.step))
            total = wide_product((load_i32(a), y), constants, (i.lo - i.zero, i.hi - i.zero))
            store_i32(a, plus(total, vectors.fill(i.zero)), LANES)
        else:
            y, p = load_codes(i.kind, at, c0 + c), as_i64(i.second)
            if op == Op.ADD_D:
                store_i32(a, code(i, sum_d(p, load_i32(a), y)), LANES)
            elif op == Op.ADD_F:
                store_i32(a, code(i, sum_f(p, load_i32(a), y)), LANES)
            else:
                product = times(from_zero(load_i32(a), p[0]), from_zero(y, p[1]))
                store_i32(a, product, LANES)


run = one_by_one(step)
