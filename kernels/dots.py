"""Instructions that multiply four pairs of bytes into each int32 lane.

    acc_i + sum_j x_(4 i + j) w_(4 i + j),   exact: nothing saturates                         (1)

w is signed. x is unsigned for vpdpbusd and signed for NEON's sdot; codes of the other sign are
moved by 128, their sign bit turned, and what that adds is known beforehand: 128 sum_j w_j.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from lowbit.kernels import cpu, packed
from lowbit.kernels.layout import Layout
from lowbit.kernels.packed import Packs
from lowbit.kernels.simd import I8, I16, I32, Vector, call

UBYTE, BYTE = int(Layout.UBYTE), int(Layout.BYTE)


@dataclass(frozen=True)
class Dot:
    """One such instruction: what it needs, and emit(builder, acc, x, w) on int32 vectors."""

    lanes: int
    requires: frozenset[str]
    emit: Callable[..., Any]
    turns: int = BYTE  # the layout whose sign bits are turned
    narrow: bool = False  # exact only where two products fit 16 bits
    packs: Packs | None = None  # of as many lanes

    @property
    def vector(self) -> Vector:
        return VECTORS[self.lanes]

    @property
    def bytes(self) -> int:
        return 4 * self.lanes

    @property
    def shift(self) -> int:
        """What turning a sign bit takes from each code that it turns."""
        return -128 if self.turns == BYTE else 128

    def opaque(self, builder, vector):
        """The vector, of which LLVM does not know that its lanes are equal: it would turn sign bits
        before broadcasting, in a scalar register, which costs more than a broadcast from memory."""
        letter = "w" if self.turns == UBYTE else "v" if self.lanes == 16 else "x"
        kind = ir.FunctionType(vector.type, [vector.type])
        return builder.asm(kind, "", f"={letter},0", [vector], False)


VECTORS = {lanes: Vector(I32, lanes) for lanes in (4, 8, 16)}


def as_bytes(builder, *values):
    return (builder.bitcast(v, ir.VectorType(I8, 4 * v.type.count)) for v in values)


def instruction(name: str):
    def emit(builder, acc, x, w):
        return call(builder, name, acc.type, acc, *as_bytes(builder, x, w))

    return emit


def in_two_steps(builder, acc, x, w):
    """Pairs to int16, which must not saturate, then pairs of those to int32."""
    pairs = ir.VectorType(I16, 16)
    products = call(builder, "llvm.x86.avx2.pmadd.ub.sw", pairs, *as_bytes(builder, x, w))
    sums = call(builder, "llvm.x86.avx2.pmadd.wd", acc.type, products, pairs([1] * 16))
    return builder.add(acc, sums)


WIDE, NARROW = (instruction(f"llvm.x86.avx512.vpdpbusd.{bits}") for bits in (512, 256))
VNNI_512 = Dot(16, frozenset({"avx512f", "avx512bw", "avx512vnni"}), WIDE, packs=packed.AVX512)
VNNI_256 = Dot(8, frozenset({"avx512vl", "avx512vnni"}), NARROW, packs=packed.AVX2)
AVX_VNNI = Dot(8, frozenset({"avxvnni"}), NARROW, packs=packed.AVX2)
AVX2 = Dot(8, frozenset({"avx2"}), in_two_steps, narrow=True, packs=packed.AVX2)
NEON = Dot(
    4, frozenset({"dotprod"}), instruction("llvm.aarch64.neon.sdot.v4i32.v16i8"), turns=UBYTE
)


def available() -> Dot | None:
    """The widest that this CPU has."""
    able = (d for d in (VNNI_512, AVX_VNNI, VNNI_256, NEON) if cpu.features() >= d.requires)
    return next(able, None)
