r"""Sums to 8-bit codes while they are still in registers: forms D and F, sixteen at a time.

kernels/program/eight_bit_reference.py says what the forms are; the program runner and the tiles
of products share what is written here.

    F:  clamp(fl(acc + bias) ratio), to the nearest integer, ties to even, + zero
    D:  clamp(M(acc + bias, m, e)) + zero

Adding 1.5 2^23 leaves a float32 below 2^22 no room for a fraction, and its integer in its low bits.
"""

from llvmlite import ir
from numba import types

from lowbit.kernels.entry import inner
from lowbit.kernels.program import INSTRUCTION
from lowbit.kernels.record import reader
from lowbit.kernels.simd import (
    F32,
    I8,
    I32,
    I64,
    F32x16,
    I32x16,
    I64x16,
    intrinsic,
    load,
    masked_store,
    offset,
    splat,
    store,
)

LANES = 16
MAGIC, MAGIC_BITS = 12582912.0, 0x4B400000
CODES_F, CODES_D = 3, 4  # how a tile leaves the registers: window.py lists the others

instruction = reader(INSTRUCTION)


def lanes(vector, value):
    return vector([value] * LANES)


def high_product(builder, x, m, e):
    """M(x, m, e)"""
    wide, zero = I64x16.llvm, x.type(None)
    up = builder.icmp_signed(">", e, zero)
    left = builder.select(up, e, zero)
    right = builder.select(up, zero, builder.neg(e))
    product = builder.mul(builder.sext(builder.shl(x, left), wide), builder.sext(m, wide))
    # Round to nearest with ties up: adding 2^30 and flooring is the truncation of the definition.
    high = builder.ashr(builder.add(product, lanes(wide, 2**30)), lanes(wide, 31))
    high = builder.trunc(high, x.type)
    mask = builder.sub(builder.shl(lanes(x.type, 1), right), lanes(x.type, 1))
    rest = builder.and_(high, mask)
    below = builder.zext(builder.icmp_signed("<", high, zero), x.type)
    half = builder.add(builder.ashr(mask, lanes(x.type, 1)), below)
    over_half = builder.zext(builder.icmp_signed(">", rest, half), x.type)
    return builder.add(builder.ashr(high, right), over_half)


def clamp(builder, x, low, high, compare):
    x = builder.select(compare("<", x, low), low, x)
    return builder.select(compare(">", x, high), high, x)


class FormF:
    """The constants of a block of channels, and one vector of sums to codes."""

    def __init__(self, builder, bias, second, third, low, high, zero) -> None:
        self.bias, self.ratio = bias, second
        self.low, self.high = (self.float(builder, builder.sub(v, zero)) for v in (low, high))
        turn = builder.sub(I32(MAGIC_BITS), builder.trunc(zero, I32))
        self.turn = splat(builder, turn, LANES)

    @staticmethod
    def float(builder, scalar):
        return splat(builder, builder.sitofp(scalar, F32), LANES)

    def codes(self, builder, acc, v):
        bias = load(builder, offset(builder, self.bias, 64 * v), I32x16.llvm, 4)
        ratio = load(builder, offset(builder, self.ratio, 64 * v), F32x16.llvm, 4)
        x = builder.fmul(builder.sitofp(builder.add(acc, bias), F32x16.llvm), ratio)
        x = clamp(builder, x, self.low, self.high, builder.fcmp_ordered)
        x = builder.fadd(x, lanes(F32x16.llvm, MAGIC))
        return builder.sub(builder.bitcast(x, I32x16.llvm), self.turn)


class FormD:
    def __init__(self, builder, bias, second, third, low, high, zero) -> None:
        self.bias, self.m, self.e = bias, second, third
        narrow = [builder.trunc(v, I32) for v in (builder.sub(low, zero), builder.sub(high, zero))]
        self.low, self.high = (splat(builder, v, LANES) for v in narrow)
        self.zero = splat(builder, builder.trunc(zero, I32), LANES)

    def codes(self, builder, acc, v):
        bias, m, e = (
            load(builder, offset(builder, at, 64 * v), I32x16.llvm, 4)
            for at in (self.bias, self.m, self.e)
        )
        x = high_product(builder, builder.add(acc, bias), m, e)
        return builder.add(clamp(builder, x, self.low, self.high, builder.icmp_signed), self.zero)


BYTES = ir.VectorType(I8, LANES)


def code_writer(form, vectors: int):
    """The intrinsic that stores a tile as codes, a byte each: `wanted` of each pixel's channels,
    with the form's constants at three addresses."""

    @intrinsic
    def write(typingctx, acc, constants, ends, wanted, out, stride):
        def codegen(context, builder, signature, args):
            acc, constants, ends, wanted, out, stride = args
            three = [builder.extract_value(constants, i) for i in range(3)]
            made = form(builder, *three, *(builder.extract_value(ends, i) for i in range(3)))
            whole = builder.icmp_signed(">=", wanted, I64(LANES * vectors))
            for i in range(signature.args[0].count):
                v = i % vectors
                codes = made.codes(builder, builder.extract_value(acc, i), v)
                keep(builder, builder.trunc(codes, BYTES), whole, wanted, out, v)
                if v == vectors - 1:
                    out = builder.add(out, stride)
            return context.get_dummy_value()

        three = types.UniTuple(types.int64, 3)
        return types.void(acc, three, three, *[types.int64] * 3), codegen

    return write


def keep(builder, codes, whole, wanted, out, v: int) -> None:
    at = offset(builder, out, LANES * v)
    with builder.if_else(whole) as (then, otherwise):
        with then:
            store(builder, codes, at)
        with otherwise:
            masked_store(builder, codes, at, builder.sub(wanted, I64(LANES * v)))


def finisher(vectors: int, plain):
    """How a tile of int32 leaves the registers: through `plain`, or as the codes of its program's
    first instruction."""
    write_f, write_d = code_writer(FormF, vectors), code_writer(FormD, vectors)

    @inner
    def finish(p, acc, lane, out, stride):
        if p.direct < CODES_F:
            plain(acc, out, stride)
            return
        i, at = instruction(p.program), 4 * lane
        constants, ends = (i.at + at, i.second + at, i.third + at), (i.lo, i.hi, i.zero)
        wanted = p.groups * p.width - lane
        if p.direct == CODES_F:
            write_f(acc, constants, ends, wanted, out, stride)
        else:
            write_d(acc, constants, ends, wanted, out, stride)

    return finish
