r"""Sums to 8-bit codes while they are still in registers, in forms D and F.

kernels/program/eight_bit_reference.py says what the forms are; the program runner and the tiles
of products share what is written here.

    F:  clamp(fl(acc + bias) ratio), to the nearest integer, ties to even, + zero
    D:  clamp(M(acc + bias, m, e)) + zero

A sum in form F may be added to other codes there, as a residual block does.

Adding 1.5 2^23 leaves a float32 below 2^22 no room for a fraction, and its integer in its low bits.
"""

from llvmlite import ir

from lowbit.kernels.entry import inner
from lowbit.kernels.late import cgutils, types
from lowbit.kernels.layout import Layout
from lowbit.kernels.packed import Packer, Packs
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

UBYTE = int(Layout.UBYTE)
MAGIC, MAGIC_BITS = 12582912.0, 0x4B400000
CODES_F, CODES_D, SUM_F = 3, 4, 5  # how a tile leaves the registers: window.py has the others
SIZE = INSTRUCTION.itemsize

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


def spread(builder, number, kind):
    """An int64 in all lanes of int32."""
    return splat(builder, builder.trunc(number, I32), kind.count)


def clamp(builder, x, low, high, compare):
    x = builder.select(compare("<", x, low), low, x)
    return builder.select(compare(">", x, high), high, x)


class FormF:
    """The constants of a block of channels, and one vector of sums to codes."""

    def __init__(self, builder, kind, bias, second, third, low, high, zero) -> None:
        self.kind, self.bias, self.ratio = kind, bias, second
        ends = (builder.sitofp(builder.sub(v, zero), F32) for v in (low, high))
        self.low, self.high = (splat(builder, v, kind.count) for v in ends)
        turn = builder.sub(I32(MAGIC_BITS), builder.trunc(zero, I32))
        self.turn = splat(builder, turn, kind.count)

    def of(self, builder, at: int):
        """What makes codes of a vector of sums, for the channels `at` bytes into the constants, and
        of the address to which they will go."""
        kind, floats = self.kind, like(self.kind, F32)
        bias = load(builder, offset(builder, self.bias, at), kind, 4)
        ratio = load(builder, offset(builder, self.ratio, at), floats, 4)

        def code(acc, address):
            x = builder.fmul(builder.sitofp(builder.add(acc, bias), floats), ratio)
            x = clamp(builder, x, self.low, self.high, builder.fcmp_ordered)
            x = builder.fadd(x, lanes(floats, MAGIC))
            return builder.sub(builder.bitcast(x, kind), self.turn)

        return code


class FormD:
    def __init__(self, builder, kind, bias, second, third, low, high, zero) -> None:
        self.kind, self.places = kind, (bias, second, third)
        self.low, self.high = (spread(builder, builder.sub(v, zero), kind) for v in (low, high))
        self.zero = spread(builder, zero, kind)

    def of(self, builder, at: int):
        bias, m, e = (load(builder, offset(builder, p, at), self.kind, 4) for p in self.places)
        product = HighProduct(builder, m, e)

        def code(acc, address):
            x = product.of(builder, builder.add(acc, bias))
            x = clamp(builder, x, self.low, self.high, builder.icmp_signed)
            return builder.add(x, self.zero)

        return code


class SumF:
    """Codes by `form`, added to others: `parameters` is the address of five, as ADD_F has them."""

    def __init__(self, builder, kind, form, parameters, other, mask, low, high, zero) -> None:
        numbers = [load(builder, offset(builder, parameters, 8 * i), I64, 8) for i in range(5)]
        half = builder.shl(I64(1), builder.sub(numbers[4], I64(1)))
        places = (*numbers, half, mask, zero, *(builder.sub(v, zero) for v in (low, high)))
        self.numbers = [spread(builder, n, kind) for n in places]
        self.kind, self.form, self.other = kind, form, other

    def of(self, builder, at: int):
        first = self.form.of(builder, at)
        zx, mx, zy, my, t, half, mask, zero, low, high = self.numbers

        def code(acc, address):
            y = load(builder, builder.add(address, self.other), like(self.kind, I8))
            y = builder.and_(builder.sext(y, self.kind), mask)
            x = builder.mul(builder.sub(first(acc, address), zx), mx)
            y = builder.mul(builder.sub(y, zy), my)
            total = builder.ashr(builder.add(builder.add(x, y), half), t)
            return builder.add(clamp(builder, total, low, high, builder.icmp_signed), zero)

        return code


def code_writer(form, adder, vectors: int, packs: Packs | None = None):
    """The intrinsic that stores a tile as codes, a byte each: `wanted` of each pixel's channels,
    with the form's constants at three addresses, and its ends. With an `adder` they are added to
    others first, `other` bytes from where the sum goes: signed bytes, or what `mask` leaves.
    Whole tiles are packed where there are `packs`, which do form F alone."""

    @intrinsic
    def write(typingctx, acc, constants, addition, wanted, out, stride):
        def codegen(context, builder, signature, args):
            acc, constants, addition, wanted, out, stride = args
            kind, pixels = signature.args[0].dtype.llvm, signature.args[0].count // vectors
            sums = cgutils.unpack_tuple(builder, acc)
            codes = form(builder, kind, *cgutils.unpack_tuple(builder, constants))
            if adder:
                codes = adder(builder, kind, codes, *cgutils.unpack_tuple(builder, addition))
            rows = [out]
            while len(rows) < pixels:
                rows.append(builder.add(rows[-1], stride))
            whole = builder.icmp_signed(">=", wanted, I64(kind.count * vectors))
            with builder.if_else(whole) as (all_of_it, part):
                with all_of_it:
                    if packs:
                        places = cgutils.unpack_tuple(builder, constants)
                        Packer(builder, packs, *places).keep(builder, sums, rows)
                    else:
                        keep(builder, codes, kind, sums, rows, plainly)
                with part:
                    keep(builder, codes, kind, sums, rows, up_to(wanted))
            return context.get_dummy_value()

        six = types.UniTuple(types.int64, 6)
        return types.void(acc, six, six, *[types.int64] * 3), codegen

    return write


def keep(builder, codes, kind, sums, rows, put) -> None:
    """Stores the codes of a tile, channels by channels: what they need is read once."""
    vectors = len(sums) // len(rows)
    for v in range(vectors):
        at = kind.count * v
        code = codes.of(builder, 4 * at)
        for row, total in zip(rows, sums[v::vectors], strict=True):
            address = offset(builder, row, at)
            put(builder, builder.trunc(code(total, address), like(kind, I8)), address, at)


def plainly(builder, value, address, at: int) -> None:
    store(builder, value, address)


def up_to(wanted):
    """Stores those of the lanes from `at` on that lie below `wanted`."""

    def put(builder, value, address, at: int) -> None:
        masked_store(builder, value, address, builder.sub(wanted, I64(at)))

    return put


def finisher(vectors: int, plain, packs: Packs | None = None):
    """How a tile of int32 leaves the registers: through `plain`, or as the codes that its program
    would make of it. `packs` are for vectors of the tile's width."""
    write_f, write_d = code_writer(FormF, None, vectors, packs), code_writer(FormD, None, vectors)
    write_sum = code_writer(FormF, SumF, vectors)

    @inner
    def finish(p, acc, lane, out, stride):
        if p.direct < CODES_F:
            plain(acc, out, stride)
            return
        i, j, at = instruction(p.program), instruction(p.program + SIZE), 4 * lane
        constants = (i.at + at, i.second + at, i.third + at, i.lo, i.hi, i.zero)
        mask = 255 if j.kind == UBYTE else -1
        addition = (j.second, j.at - p.out, mask, j.lo, j.hi, j.zero)
        wanted = p.groups * p.width - lane
        if p.direct == CODES_F:
            write_f(acc, constants, addition, wanted, out, stride)
        elif p.direct == CODES_D:
            write_d(acc, constants, addition, wanted, out, stride)
        else:
            write_sum(acc, constants, addition, wanted, out, stride)

    return finish
