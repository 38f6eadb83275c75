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


class HighProduct:
    """M(x, m, e), for many x: what follows from m and e is worked out once."""

    def __init__(self, builder, m, e) -> None:
        kind, one, zero = m.type, lanes(m.type, 1), m.type(None)
        self.m = builder.sext(m, like(kind, I64))
        up = builder.icmp_signed(">", e, zero)
        self.left = builder.select(up, e, zero)
        self.right = builder.select(up, zero, builder.neg(e))
        self.mask = builder.sub(builder.shl(one, self.right), one)
        self.half = builder.ashr(self.mask, one)

    def of(self, builder, x):
        kind, wide = x.type, self.m.type
        product = builder.mul(builder.sext(builder.shl(x, self.left), wide), self.m)
        # Round to nearest with ties up: adding 2^30 and flooring is the truncation of the
        # definition. Of the shifted sum only 32 bits are kept, which any shift leaves alike; AVX2
        # has no other.
        high = builder.lshr(builder.add(product, lanes(wide, 2**30)), lanes(wide, 31))
        high = builder.trunc(high, kind)
        rest = builder.and_(high, self.mask)
        below = builder.zext(builder.icmp_signed("<", high, kind(None)), kind)
        half = builder.add(self.half, below)
        over_half = builder.zext(builder.icmp_signed(">", rest, half), kind)
        return builder.add(builder.ashr(high, self.right), over_half)


def high_product(builder, x, m, e):
    return HighProduct(builder, m, e).of(builder, x)


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

    def codes(self, builder, kind, at: int):
        """What makes codes of a vector of sums, for the channels `at` bytes into the constants."""
        floats = like(kind, F32)
        bias = load(builder, offset(builder, self.bias, at), kind, 4)
        ratio = load(builder, offset(builder, self.ratio, at), floats, 4)

        def of(acc):
            x = builder.fmul(builder.sitofp(builder.add(acc, bias), floats), ratio)
            x = clamp(builder, x, self.low, self.high, builder.fcmp_ordered)
            x = builder.fadd(x, lanes(floats, MAGIC))
            return builder.sub(builder.bitcast(x, kind), self.turn)

        return of


class FormD:
    def __init__(self, builder, lanes: int, bias, second, third, low, high, zero) -> None:
        self.places = (bias, second, third)
        narrow = (builder.trunc(builder.sub(v, zero), I32) for v in (low, high))
        self.low, self.high = (splat(builder, v, lanes) for v in narrow)
        self.zero = splat(builder, builder.trunc(zero, I32), lanes)

    def codes(self, builder, kind, at: int):
        bias, m, e = (load(builder, offset(builder, p, at), kind, 4) for p in self.places)
        product = HighProduct(builder, m, e)

        def of(acc):
            x = product.of(builder, builder.add(acc, bias))
            x = clamp(builder, x, self.low, self.high, builder.icmp_signed)
            return builder.add(x, self.zero)

        return of


def code_writer(form, vectors: int):
    """The intrinsic that stores a tile as codes, a byte each: `wanted` of each pixel's channels,
    with the form's constants at three addresses."""

    @intrinsic
    def write(typingctx, acc, constants, ends, wanted, out, stride):
        def codegen(context, builder, signature, args):
            acc, constants, ends, wanted, out, stride = args
            kind = signature.args[0].dtype.llvm
            three = [builder.extract_value(constants, i) for i in range(3)]
            ends = [builder.extract_value(ends, i) for i in range(3)]
            made = form(builder, kind.count, *three, *ends)
            sums = [builder.extract_value(acc, i) for i in range(signature.args[0].count)]
            rows = [out]
            while len(rows) < len(sums) // vectors:
                rows.append(builder.add(rows[-1], stride))
            whole = builder.icmp_signed(">=", wanted, I64(kind.count * vectors))
            with builder.if_else(whole) as branches:
                for branch, put in zip(branches, (plainly, up_to(wanted)), strict=True):
                    with branch:
                        keep(builder, made, kind, sums, rows, put)
            return context.get_dummy_value()

        three = types.UniTuple(types.int64, 3)
        return types.void(acc, three, three, *[types.int64] * 3), codegen

    return write


def keep(builder, made, kind, sums, rows, put) -> None:
    """Stores the codes of a tile, channels by channels: what they need is read once."""
    vectors = len(sums) // len(rows)
    for v in range(vectors):
        codes = made.codes(builder, kind, 4 * kind.count * v)
        for row, total in zip(rows, sums[v::vectors], strict=True):
            at = kind.count * v
            put(builder, builder.trunc(codes(total), like(kind, I8)), offset(builder, row, at), at)


def plainly(builder, value, address, at: int) -> None:
    store(builder, value, address)


def up_to(wanted):
    """Stores those of the lanes from `at` on that lie below `wanted`."""

    def put(builder, value, address, at: int) -> None:
        masked_store(builder, value, address, builder.sub(wanted, I64(at)))

    return put


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
