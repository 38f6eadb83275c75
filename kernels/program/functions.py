"""Functions of one float32, sixteen at a time; the reference says what each is."""

from lowbit import exponential
from lowbit.kernels.entry import inner
from lowbit.kernels.program import Op, vectors
from lowbit.kernels.program.instructions import one_by_one
from lowbit.kernels.program.vectors import LANES, load_f32, store_f32
from lowbit.kernels.simd import F32x16, I32x16, call, over

MAGIC = 12582912.0  # 1.5 2^23: adding it leaves a float32 no room for a fraction


def lanes(vector, value):
    return vector([value] * LANES)


def exp(builder, x):
    """Equations (1) and (2) of lowbit/exponential.py; no multiplication and addition fuse."""

    def fill(value):
        return lanes(x.type, value)

    low, high = fill(exponential.LOWEST), fill(exponential.HIGHEST)
    under = builder.fcmp_ordered("<", x, low)
    x = builder.select(under, low, x)
    x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
    n = builder.fmul(x, fill(exponential.LOG2_E))
    n = builder.fsub(builder.fadd(n, fill(MAGIC)), fill(MAGIC))
    r = builder.fsub(x, builder.fmul(n, fill(exponential.C1)))
    r = builder.fsub(r, builder.fmul(n, fill(exponential.C2)))
    p = fill(exponential.POLYNOMIAL[0])
    for coefficient in exponential.POLYNOMIAL[1:]:
        p = builder.fadd(builder.fmul(p, r), fill(coefficient))
    y = builder.fadd(builder.fadd(builder.fmul(p, builder.fmul(r, r)), r), fill(1.0))
    biased = builder.add(builder.fptosi(n, I32x16.llvm), lanes(I32x16.llvm, 127))
    power = builder.bitcast(builder.shl(biased, lanes(I32x16.llvm, 23)), x.type)
    return builder.select(under, fill(0.0), builder.fmul(y, power))


@over(F32x16, F32x16)
def exponential_of(builder, x):
    return exp(builder, x)


@over(F32x16, F32x16)
def sigmoid_of(builder, x):
    one = lanes(x.type, 1.0)
    return builder.fdiv(one, builder.fadd(one, exp(builder, builder.fneg(x))))


@over(F32x16, F32x16)
def magnitude(builder, x):
    return call(builder, f"llvm.fabs.v{LANES}f32", x.type, x)


@over(F32x16, F32x16)
def root(builder, x):
    return call(builder, f"llvm.sqrt.v{LANES}f32", x.type, x)


@inner
def step(i, op, x, at, c0, width):
    """One instruction on one pixel."""
    for c in range(0, width, LANES):
        a = x + 4 * c
        if op == Op.ABS:
            store_f32(a, magnitude(load_f32(a)), LANES)
        elif op == Op.SQRT:
            store_f32(a, root(load_f32(a)), LANES)
        elif op == Op.EXP:
            store_f32(a, exponential_of(load_f32(a)), LANES)
        elif op == Op.DIV_FROM:
            store_f32(a, vectors.div(load_f32(at + 4 * (c0 + c)), load_f32(a)), LANES)
        else:
            store_f32(a, sigmoid_of(load_f32(a)), LANES)


run = one_by_one(step)
