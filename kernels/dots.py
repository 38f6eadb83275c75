"""The instruction that multiplies four unsigned by four signed bytes into an int32 lane.

    acc_i + sum_j u_(4 i + j) s_(4 i + j),   exact: nothing saturates                          (1)

AVX-512 has it for 64 bytes, as part of VNNI.
"""

from llvmlite import ir

from lowbit.kernels import cpu
from lowbit.kernels.simd import I8, I32x16, call

BYTES = ir.VectorType(I8, 64)
REQUIRES = frozenset({"avx512f", "avx512vnni"})


def available() -> bool:
    return cpu.features() >= REQUIRES


def dot(builder, acc, unsigned, signed):
    """Equation (1); operands are 16 int32 lanes of bytes."""
    u, s = (builder.bitcast(v, BYTES) for v in (unsigned, signed))
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", I32x16.llvm, acc, u, s)
