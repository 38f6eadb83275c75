"""Values of 64 channels in registers: a tuple of four vectors of sixteen, held as int32, whichever
of int32 and float32 they are.

Where fewer than 64 channels are left, the last vector with one is read again in the place of those
beyond it, so that nothing is read further away than a vector; stores are exact.
"""

from llvmlite import ir

from lowbit.kernels.late import types
from lowbit.kernels.program.vectors import LANES, MASK
from lowbit.kernels.simd import (
    F32,
    I8,
    I16,
    I32,
    I64,
    I32x16,
    intrinsic,
    joined,
    load,
    masked_store,
    offset,
    splat,
    store,
    zeros,
)

VECTORS = 4
BLOCK = VECTORS * LANES
KIND = I32x16.llvm
FLOATS, BYTES = ir.VectorType(F32, LANES), ir.VectorType(I8, LANES)
nothing = zeros(I32x16, VECTORS)


@intrinsic
def places(typingctx, left):
    """What to add to an address of int32 for each vector, where so many channels are left."""
    kind = types.UniTuple(types.int64, VECTORS)

    def codegen(context, builder, signature, args):
        last = builder.and_(builder.sub(args[0], I64(1)), I64(-LANES))
        made = context.get_value_type(kind)(None)
        for v in range(VECTORS):
            inside = builder.icmp_signed("<", I64(LANES * v), last)
            lane = builder.select(inside, I64(LANES * v), last)
            made = builder.insert_value(made, builder.mul(lane, I64(4)), v)
        return made

    return kind(types.int64), codegen


def each(emit):
    """The intrinsic (value, places, *addresses) to emit(builder, x, *addresses) of each vector; the
    addresses are then the vector's, of int32."""

    @intrinsic
    def over(typingctx, value, places, *addresses):
        def codegen(context, builder, signature, args):
            value, places, *addresses = args
            for v in range(VECTORS):
                place = builder.extract_value(places, v)
                at = [builder.add(a, place) for a in addresses]
                result = emit(builder, builder.extract_value(value, v), *at)
                value = builder.insert_value(value, builder.bitcast(result, KIND), v)
            return value

        return value(value, places, *addresses), codegen

    return over


def floats(emit):
    """The same for emit of float32 and of the operands that lie at the addresses."""

    def loaded(builder, x, *addresses):
        operands = (load(builder, at, FLOATS) for at in addresses)
        return emit(builder, builder.bitcast(x, FLOATS), *operands)

    return each(loaded)


load_word = each(lambda builder, x, at: load(builder, at, KIND))
to_float = each(lambda builder, x: builder.sitofp(x, FLOATS))
add = floats(lambda builder, x, y: builder.fadd(x, y))
sub = floats(lambda builder, x, y: builder.fsub(x, y))
sub_from = floats(lambda builder, x, y: builder.fsub(y, x))
mul = floats(lambda builder, x, y: builder.fmul(x, y))
div = floats(lambda builder, x, y: builder.fdiv(x, y))


@floats
def relu(builder, x):
    """x unless x <= 0: a NaN stays, and -0 becomes +0."""
    return builder.select(builder.fcmp_ordered("<=", x, x.type(None)), x.type(None), x)


@floats
def prelu(builder, x, slope):
    positive = builder.fcmp_ordered(">", x, x.type(None))
    return builder.select(positive, x, builder.fmul(slope, x))


@floats
def clamp(builder, x, low, high):
    """A NaN stays."""
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    return builder.select(builder.fcmp_ordered(">", x, high), high, x)


@each
def multiply_add(builder, count, slope, base):
    """base + slope count"""
    slope, base = (load(builder, at, KIND) for at in (slope, base))
    return builder.add(builder.mul(count, slope), base)


def narrow(widen: str):
    """The intrinsic (value, places, address) that loads a byte a channel."""

    @intrinsic
    def load_(typingctx, value, places, address):
        def codegen(context, builder, signature, args):
            value, places, address = args
            for v in range(VECTORS):
                place = builder.ashr(builder.extract_value(places, v), I64(2))
                codes = load(builder, builder.add(address, place), BYTES)
                value = builder.insert_value(value, getattr(builder, widen)(codes, KIND), v)
            return value

        return value(value, places, address), codegen

    return load_


load_byte, load_ubyte = narrow("sext"), narrow("zext")


def counter(compare):
    """The intrinsic (count, value, places, address) to count + 1 where compare(builder, x, t)."""

    @intrinsic
    def count_(typingctx, count, value, places, address):
        def codegen(context, builder, signature, args):
            count, value, places, address = args
            for v in range(VECTORS):
                at = builder.add(address, builder.extract_value(places, v))
                reached = compare(builder, builder.extract_value(value, v), at)
                more = builder.zext(reached, KIND)
                total = builder.add(builder.extract_value(count, v), more)
                count = builder.insert_value(count, total, v)
            return count

        return count(count, value, places, address), codegen

    return count_


@counter
def count_ints(builder, x, at):
    return builder.icmp_signed(">=", x, load(builder, at, KIND))


@counter
def count_floats(builder, x, at):
    return builder.fcmp_ordered(">=", builder.bitcast(x, FLOATS), load(builder, at, FLOATS))


def storer(size: int, convert):
    """The intrinsic (value, address, left) that stores `left` channels of `size` bytes, but no more
    than there are."""

    @intrinsic
    def store_(typingctx, value, address, left):
        def codegen(context, builder, signature, args):
            value, address, left = args
            for v in range(VECTORS):
                vector = convert(builder, builder.extract_value(value, v))
                at = offset(builder, address, size * LANES * v)
                n = builder.sub(left, I64(LANES * v))
                with builder.if_else(builder.icmp_signed(">=", n, I64(LANES))) as (whole, part):
                    with whole:
                        store(builder, vector, at)
                    with part, builder.if_then(builder.icmp_signed(">", n, I64(0))):
                        masked_store(builder, vector, at, n)
            return context.get_dummy_value()

        return types.void(value, types.int64, types.int64), codegen

    return store_


store_word = storer(4, lambda builder, x: x)
store_as_float = storer(4, lambda builder, x: builder.sitofp(x, FLOATS))
store_byte = storer(1, lambda builder, x: builder.trunc(x, BYTES))


@intrinsic
def keep(typingctx, value, address):
    """Stores all of it."""

    def codegen(context, builder, signature, args):
        value, address = args
        for v in range(VECTORS):
            vector = builder.extract_value(value, v)
            store(builder, vector, offset(builder, address, 4 * LANES * v))
        return context.get_dummy_value()

    return types.void(value, types.int64), codegen


@intrinsic
def add_bits(typingctx, value, places, address, step):
    """value + step where a channel's bit is set."""

    def codegen(context, builder, signature, args):
        value, places, address, step = args
        step = splat(builder, builder.trunc(step, I32), LANES)
        for v in range(VECTORS):
            place = builder.ashr(builder.extract_value(places, v), I64(5))
            bits = builder.bitcast(load(builder, builder.add(address, place), I16), MASK)
            more = builder.select(bits, step, step.type(None))
            total = builder.add(builder.extract_value(value, v), more)
            value = builder.insert_value(value, total, v)
        return value

    return value(value, places, address, types.int64), codegen


@intrinsic
def filled(typingctx, like, number):
    def codegen(context, builder, signature, args):
        value, number = args
        number = splat(builder, builder.trunc(number, I32), LANES)
        for v in range(VECTORS):
            value = builder.insert_value(value, number, v)
        return value

    return like(like, types.int64), codegen


@intrinsic
def bits_of(typingctx, value, low, shift):
    """Bit `shift` of value - low of 64 channels, the first the lowest."""

    def codegen(context, builder, signature, args):
        value, low, shift = args
        low, shift = (splat(builder, builder.trunc(n, I32), LANES) for n in (low, shift))
        masks = []
        for v in range(VECTORS):
            index = builder.sub(builder.extract_value(value, v), low)
            masks.append(builder.trunc(builder.lshr(index, shift), MASK))
        return builder.bitcast(joined(builder, masks), I64)

    return types.uint64(value, types.int64, types.int64), codegen
