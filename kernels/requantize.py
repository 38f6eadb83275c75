r"""Sums to 8-bit codes while they are still in registers, in forms D and F.

kernels/program/eight_bit_reference.py says what the forms are; the program runner and the tiles
of products share what is written here.

    F:  clamp(fl(acc + bias) ratio), to the nearest integer, ties to even, + zero
    D:  clamp(M(acc + bias, m, e)) + zero

Adding 1.5 2^23 leaves a float32 below 2^22 no room for a fraction, and its integer in its low bits.
"""

from llvmlite import ir

from lowbit.kernels.entry import inner
from lowbit.kernels.late import types
from lowbit.kernels.program import INSTRUCTION
from lowbit.kernels.record import reader
from lowbit.kernels.simd import (
    F32,
    I8,
    I32,
    I64,
    intrinsic,
    load,
    masked_store,
    offset,
    splat,
    store,
)

MAGIC, MAGIC_BITS = 12582912.0, 0x4B400000
CODES_F, CODES_D = 3, 4  # how a tile leaves the registers: window.py lists the others

instruction = reader(INSTRUCTION)


def lanes(vector, value):
    return vector([value] * vector.count)


def like(vector, element):
    """The vector of another element with as many lanes."""
    return ir.VectorType(element, vector.count)


def high_product(builder, x, m, e):
    """M(x, m, e)"""
    wide, zero = like(x.type, I64), x.type(None)
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

    def __init__(self, builder, lanes: int, bias, second, third, low, high, zero) -> None:
        self.bias, self.ratio = bias, second
        ends = (builder.sitofp(builder.sub(v, zero), F32) for v in (low, high))
        self.low, self.high = (splat(builder, v, lanes) for v in ends)
        turn = builder.sub(I32(MAGIC_BITS), builder.trunc(zero, I32))
        self.turn = splat(builder, turn, lanes)

    def codes(self, builder, acc, at: int):
        kind = like(acc.type, F32)
        bias = load(builder, offset(builder, self.bias, at), acc.type, 4)
        ratio = load(builder, offset(builder, self.ratio, at), kind, 4)
        x = builder.fmul(builder.sitofp(builder.add(acc, bias), kind), ratio)
        x = clamp(builder, x, self.low, self.high, builder.fcmp_ordered)
        x = builder.fadd(x, lanes(kind, MAGIC))
        return builder.sub(builder.bitcast(x, acc.type), self.turn)


class FormD:
    def __init__(self, builder, lanes: int, bias, second, third, low, high, zero) -> None:
        self.places = (bias, second, third)
        narrow = (builder.trunc(builder.sub(v, zero), I32) for v in (low, high))
        self.low, self.high = (splat(builder, v, lanes) for v in narrow)
        self.zero = splat(builder, builder.trunc(zero, I32), lanes)

    def codes(self, builder, acc, at: int):
        bias, m, e = (load(builder, offset(builder, p, at), acc.type, 4) for p in self.places)
        x = high_product(builder, builder.add(acc, bias), m, e)
        return builder.add(clamp(builder, x, self.low, self.high, builder.icmp_signed), self.zero)


def code_writer(form, vectors: int):
    """The intrinsic that stores a tile as codes, a byte each: `wanted` of each pixel's channels,
    with the form's constants at three addresses."""

    @intrinsic
    def write(typingctx, acc, constants, ends, wanted, out, stride):
        def codegen(context, builder, signature, args):
            acc, constants, ends, wanted, out, stride = args
            lanes = signature.args[0].dtype.llvm.count
            three = [builder.extract_value(constants, i) for i in range(3)]
            ends = [builder.extract_value(ends, i) for i in range(3)]
            made = form(builder, lanes, *three, *ends)
            whole = builder.icmp_signed(">=", wanted, I64(lanes * vectors))
            for i in range(signature.args[0].count):
                v = i % vectors
                codes = made.codes(builder, builder.extract_value(acc, i), 4 * lanes * v)
                codes = builder.trunc(codes, like(codes.type, I8))
                keep(builder, codes, whole, wanted, out, lanes * v)
                if v == vectors - 1:
                    out = builder.add(out, stride)
            return context.get_dummy_value()

        three = types.UniTuple(types.int64, 3)
        return types.void(acc, three, three, *[types.int64] * 3), codegen

    return write


def keep(builder, codes, whole, wanted, out, at: int) -> None:
    with builder.if_else(whole) as (then, otherwise):
        with then:
            store(builder, codes, offset(builder, out, at))
        with otherwise:
            left = builder.sub(wanted, I64(at))
            masked_store(builder, codes, offset(builder, out, at), left)


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
