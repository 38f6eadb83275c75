"""What this machine can do at most, from registers alone: the measure of the product kernels."""

from lowbit.kernels import cpu, dots
from lowbit.kernels.dense import PAIRS, add_pairs
from lowbit.kernels.late import types
from lowbit.kernels.simd import (
    I32,
    I64,
    I32x16,
    U64x8,
    intrinsic,
    load,
    offset,
    popcounts,
    splat,
    store,
    zeros,
)

CHAINS = 16 if "avx512f" in cpu.features() else 6  # of 64 bytes, with room for what they add
LINES = 8
none = zeros(U64x8, LINES)


def start(vector):
    """The intrinsic that makes a tuple of unequal vectors: equal chains would be merged."""

    @intrinsic
    def make(typingctx, seed):
        kind = types.UniTuple(vector.type, CHAINS)

        def codegen(context, builder, signature, args):
            acc = context.get_value_type(kind)(None)
            for i in range(CHAINS):
                one = builder.add(args[0], I64(i))
                one = builder.trunc(one, vector.llvm.element) if vector.llvm.element == I32 else one
                acc = builder.insert_value(acc, splat(builder, one, vector.llvm.count), i)
            return acc

        return kind(types.int64), codegen

    return make


u64_chains, i32_chains = start(U64x8), start(I32x16)


def every(vector, emit):
    """The intrinsic acc_i = emit(acc_i, w) for each of a tuple: a chain each, nothing to hoist."""

    @intrinsic
    def step(typingctx, acc, w):
        def codegen(context, builder, signature, args):
            acc, w = args
            w = builder.trunc(w, vector.llvm.element) if vector.llvm.element == I32 else w
            w = splat(builder, w, vector.llvm.count)
            for i in range(CHAINS):
                one = emit(builder, builder.extract_value(acc, i), w)
                acc = builder.insert_value(acc, one, i)
            return acc

        return acc(acc, types.int64), codegen

    return step


@intrinsic
def keep(typingctx, acc, address):
    """Stores the sum of the chains, so that they are computed."""

    def codegen(context, builder, signature, args):
        acc, address = args
        total = builder.extract_value(acc, 0)
        for i in range(1, signature.args[0].count):
            total = builder.add(total, builder.extract_value(acc, i))
        store(builder, total, address)
        return context.get_dummy_value()

    return types.void(acc, types.int64), codegen


count = every(
    U64x8, lambda builder, acc, w: builder.add(acc, popcounts(builder, builder.xor(acc, w)))
)


def pairs(builder, acc, w):
    return add_pairs(builder, acc, *(builder.bitcast(v, PAIRS) for v in (acc, w)))


multiply = every(I32x16, pairs)


def counts(address, lo, hi):
    """512 products of signs a chain and round."""
    acc = u64_chains(hi)
    for _ in range(lo, hi):
        acc = count(acc, hi)
    keep(acc, address)


def byte_dots(instruction: dots.Dot):
    """Four products of bytes a lane, chain and round."""
    chains = start(instruction.vector)
    dot = every(instruction.vector, lambda builder, acc, w: instruction.emit(builder, acc, acc, w))

    def run(address, lo, hi):
        acc = chains(hi)
        for _ in range(lo, hi):
            acc = dot(acc, hi)
        keep(acc, address)

    return run


def pair_products(address, lo, hi):
    """Without an instruction for bytes, those of int16: 32 products a chain and round."""
    acc = i32_chains(hi)
    for _ in range(lo, hi):
        acc = multiply(acc, hi)
    keep(acc, address)


def products():
    """The name of what this CPU multiplies bytes with, its code, and products a chain and round."""
    best = dots.available()
    if best is None:
        return "pair_products", pair_products, 32
    return "byte_dots", byte_dots(best), best.bytes


@intrinsic
def add_line(typingctx, acc, address):
    def codegen(context, builder, signature, args):
        acc, address = args
        for i in range(LINES):  # 512 bytes
            value = load(builder, offset(builder, address, 64 * i), U64x8.llvm)
            total = builder.add(builder.extract_value(acc, i), value)
            acc = builder.insert_value(acc, total, i)
        return acc

    return acc(acc, types.int64), codegen


def read(address, lo, hi):
    """Reads the bytes from lo to hi, a multiple of 512, once. The sum goes to the address."""
    acc = none()
    for at in range(lo, hi, 512):
        acc = add_line(acc, address + at)
    keep(acc, address)
