"""A pytest plugin: the rows for AVX-512 and VNNI, on a processor that lacks both.

LLVM makes narrower instructions of wide vectors by itself; only vpdpbusd and what packed.py names
need other definitions, in plain arithmetic of LLVM. What it compiles is kept apart: set
LOWBIT_CACHE.
"""

import functools

from llvmlite import ir

from lowbit.kernels import cpu, dots, packed

CLAIMED = {*("avx512f", "avx512bw", "avx512vl"), *("avx512vnni", "avx512vpopcntdq")}
host_features, instruction = cpu.features, dots.call


@functools.cache
def features() -> frozenset[str]:
    return host_features() | CLAIMED


def call(builder, name, kind, *operands):
    """Equation (1) of kernels/dots.py, byte by byte, where the instruction is vpdpbusd."""
    if "vpdpbusd" not in name:
        return instruction(builder, name, kind, *operands)
    acc, *pair = operands
    x, w = (builder.bitcast(v, kind) for v in pair)
    for j in range(4):
        unsigned = builder.and_(builder.lshr(x, all_lanes(kind, 8 * j)), all_lanes(kind, 255))
        signed = builder.ashr(builder.shl(w, all_lanes(kind, 24 - 8 * j)), all_lanes(kind, 24))
        acc = builder.add(acc, builder.mul(unsigned, signed))
    return acc


def packing(builder, name, kind, *operands):
    """Rounding, and saturating to half as many bits, 16 bytes of either operand in turns."""
    if "avx512" not in name:
        return instruction(builder, name, kind, *operands)
    if "cvtps2dq" in name:
        x = instruction(builder, f"llvm.rint.v{kind.count}f32", operands[0].type, operands[0])
        name = f"llvm.fptosi.sat.v{kind.count}i32.v{kind.count}f32"
        return instruction(builder, name, kind, x)
    bits, each = kind.element.width, 64 // kind.element.width
    halves = []
    for x in operands:
        low, high = (all_lanes(x.type, end) for end in (-(1 << bits - 1), (1 << bits - 1) - 1))
        x = builder.select(builder.icmp_signed("<", x, low), low, x)
        x = builder.select(builder.icmp_signed(">", x, high), high, x)
        halves.append(builder.trunc(x, ir.VectorType(kind.element, x.type.count)))
    count = kind.count // 2
    order = [
        which * count + first + i
        for first in range(0, count, each)
        for which in (0, 1)
        for i in range(each)
    ]
    return builder.shuffle_vector(*halves, ir.VectorType(ir.IntType(32), kind.count)(order))


def all_lanes(kind: ir.VectorType, value: int) -> ir.Constant:
    return kind([value] * kind.count)


cpu.features, dots.call, packed.call = features, call, packing
dots.Dot.opaque = lambda self, builder, vector: vector  # its register would be one of AVX-512
