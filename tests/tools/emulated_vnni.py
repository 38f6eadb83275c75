"""A pytest plugin: the rows for AVX-512 and VNNI, on a processor that lacks both.

LLVM makes narrower instructions of wide vectors by itself; only vpdpbusd needs another definition,
in plain arithmetic of LLVM's. What it compiles is kept apart: set LOWBIT_CACHE.
"""

import functools

from llvmlite import ir

from lowbit.kernels import cpu, dots

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


def all_lanes(kind: ir.VectorType, value: int) -> ir.Constant:
    return kind([value] * kind.count)


cpu.features, dots.call = features, call
dots.Dot.opaque = lambda self, builder, vector: vector  # its register would be one of AVX-512
