"""Sixteen channels at a time: the operations of a program, one LLVM instruction or two each."""

from llvmlite import ir

from lowbit.kernels.late import FLOAT32, INT64
from lowbit.kernels.simd import (
    F32,
    I1,
    I8,
    I32,
    I64,
    F32x16,
    I32x16,
    I64x16,
    call,
    over,
    splat,
    vector_load,
    vector_store,
)

LANES = 16
MASK = ir.VectorType(I1, LANES)

load_i32 = vector_load(I32x16)
load_f32 = vector_load(F32x16)
load_i8 = vector_load(I32x16, I8, "sext")
load_u8 = vector_load(I32x16, I8, "zext")
store_i32 = vector_store(I32x16)
store_f32 = vector_store(F32x16)
store_i8 = vector_store(I32x16, I8)

floats = over(F32x16, F32x16, F32x16)
add = floats(lambda builder, x, y: builder.fadd(x, y))
sub = floats(lambda builder, x, y: builder.fsub(x, y))
mul = floats(lambda builder, x, y: builder.fmul(x, y))
div = floats(lambda builder, x, y: builder.fdiv(x, y))


@floats
def greater(builder, x, y):
    """x if x > y: a NaN is y."""
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def larger_or_nan(builder, x, y):
    """The larger; a NaN if either is one."""
    larger = builder.select(builder.fcmp_ordered("<", x, y), y, x)
    return builder.select(builder.fcmp_unordered("uno", y, y), y, larger)


maximum = floats(larger_or_nan)


@floats
def smaller(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", x, y), y, x)


@over(F32x16, I32x16)
def to_float(builder, n):
    return builder.sitofp(n, F32x16.llvm)


@over(F32x16, I32x16)
def as_float(builder, bits):
    return builder.bitcast(bits, F32x16.llvm)


@over(I32x16, INT64)
def fill(builder, value):
    return splat(builder, builder.trunc(value, I32), LANES)


@over(I32x16, I32x16, I32x16, I32x16)
def multiply_add(builder, x, y, z):
    return builder.add(builder.mul(x, y), z)


@over(I32x16, I32x16, I32x16, I32x16)
def count_i32(builder, count, x, t):
    return builder.add(count, builder.zext(builder.icmp_signed(">=", x, t), count.type))


@over(I32x16, I32x16, F32x16, F32x16)
def count_f32(builder, count, x, t):
    return builder.add(count, builder.zext(builder.fcmp_ordered(">=", x, t), count.type))


def gathered(vector):
    """The intrinsic that reads lanes from an address on, at the places that a vector of int32
    gives."""

    @over(vector, INT64, I32x16)
    def gather(builder, address, places):
        element = vector.llvm.element
        base = builder.inttoptr(address, element.as_pointer())
        each = splat(builder, base, LANES)
        wide = builder.sext(places, ir.VectorType(I64, LANES))
        at = builder.gep(each, [wide], source_etype=element)
        every = MASK([1] * LANES)
        name = "f32" if element == F32 else "i32"
        kind = vector.llvm
        return call(
            builder,
            f"llvm.masked.gather.v{LANES}{name}.v{LANES}p0",
            kind,
            at,
            I32(4),
            every,
            kind(None),
        )

    return gather


gather_i32, gather_f32 = gathered(I32x16), gathered(F32x16)


@over(I32x16, I32x16, I32x16)
def larger(builder, x, y):
    return builder.select(builder.icmp_signed(">", x, y), x, y)


@over(I64x16, I64x16, I32x16)
def plus_wide(builder, total, x):
    return builder.add(total, builder.sext(x, total.type))


@over(F32x16, I64x16)
def wide_to_float(builder, total):
    return builder.sitofp(total, F32x16.llvm)


@over(I64x16, INT64)
def fill_wide(builder, value):
    return splat(builder, value, LANES)


@over(F32x16, FLOAT32)
def fill_float(builder, value):
    return splat(builder, value, LANES)
