r"""Sums to codes of form F on x86, four vectors of int32 to one of bytes.

With t = 128 for codes up to 255, and 0 for signed ones, equation F of requantize.py is

    max(pack8(pack16(round(min((acc + bias) r, hi - zero))) + zero - t), lo - t)  xor  t        (1)

where pack saturates and + does, in 16 bits: what is too low for an instruction becomes the lowest
it can make, which lo - t then is not below; what is too high has been cut to an integer before.
"""

from dataclasses import dataclass

from llvmlite import ir

from lowbit.kernels.simd import F32, I8, I16, I32, I64, call, load, offset, splat, store

CURRENT = 4  # how to round: as the processor is set, to the nearest, ties to even


@dataclass(frozen=True)
class Packs:
    """The instructions for vectors of so many int32: rounding to them, to 16 bits, and to 8. These
    take 16 bytes of either operand in turns."""

    lanes: int
    to_ints: str
    to_shorts: str
    to_bytes: str

    def rounded(self, builder, x):
        kind = ir.VectorType(I32, self.lanes)
        more = (kind(None), I16(-1), I32(CURRENT)) if "mask" in self.to_ints else ()
        return call(builder, self.to_ints, kind, x, *more)

    def packed(self, builder, four, zero):
        """Bytes, 16 of each vector in turns."""
        shorts, bytes_ = (ir.VectorType(e, n * self.lanes) for e, n in ((I16, 2), (I8, 4)))
        halves = (call(builder, self.to_shorts, shorts, *four[i : i + 2]) for i in (0, 2))
        name = f"llvm.sadd.sat.v{2 * self.lanes}i16"
        moved = [call(builder, name, shorts, half, zero) for half in halves]
        return call(builder, self.to_bytes, bytes_, *moved)


AVX512 = Packs(
    16,
    "llvm.x86.avx512.mask.cvtps2dq.512",
    "llvm.x86.avx512.packssdw.512",
    "llvm.x86.avx512.packsswb.512",
)
AVX2 = Packs(8, "llvm.x86.avx.cvt.ps2dq.256", "llvm.x86.avx2.packssdw", "llvm.x86.avx2.packsswb")


class Packer:
    """Equation (1), for the constants of a block of channels."""

    def __init__(self, builder, packs: Packs, bias, ratio, third, low, high, zero) -> None:
        turn = builder.select(builder.icmp_signed(">", high, I64(127)), I64(128), I64(0))
        self.packs, self.bias, self.ratio = packs, bias, ratio
        self.kind, self.floats = (ir.VectorType(e, packs.lanes) for e in (I32, F32))
        top = builder.sitofp(builder.sub(high, zero), F32)
        self.top = splat(builder, top, packs.lanes)
        zero = builder.trunc(builder.sub(zero, turn), I16)
        self.zero = splat(builder, zero, 2 * packs.lanes)
        low, turn = (builder.trunc(v, I8) for v in (builder.sub(low, turn), turn))
        self.low, self.turn = (splat(builder, v, 4 * packs.lanes) for v in (low, turn))

    def ints(self, builder, sums, vectors: int):
        """Each sum times its ratio, rounded, and not above the end."""
        places = [4 * self.packs.lanes * v for v in range(vectors)]
        bias = [load(builder, offset(builder, self.bias, at), self.kind, 4) for at in places]
        ratio = [load(builder, offset(builder, self.ratio, at), self.floats, 4) for at in places]
        for i, acc in enumerate(sums):
            total = builder.sitofp(builder.add(acc, bias[i % vectors]), self.floats)
            x = builder.fmul(total, ratio[i % vectors])
            x = builder.select(builder.fcmp_ordered("<", x, self.top), x, self.top)
            yield self.packs.rounded(builder, x)

    def codes(self, builder, four):
        """Bytes of four vectors, one after the other."""
        mixed = builder.bitcast(self.packs.packed(builder, four, self.zero), self.kind)
        quarters = self.packs.lanes // 4
        order = self.kind([4 * q + k for k in range(4) for q in range(quarters)])
        bytes_ = builder.shuffle_vector(mixed, mixed, order)
        bytes_ = builder.bitcast(bytes_, self.low.type)
        bytes_ = builder.select(builder.icmp_signed(">", bytes_, self.low), bytes_, self.low)
        return builder.xor(bytes_, self.turn)

    def keep(self, builder, sums, rows) -> None:
        """Stores a tile, rows of as many vectors each."""
        vectors, ints = (
            len(sums) // len(rows),
            list(self.ints(builder, sums, len(sums) // len(rows))),
        )
        for first in range(0, len(ints), 4):
            four = ints[first : first + 4]
            bytes_ = self.codes(builder, [*four, *four[-1:] * (4 - len(four))])
            for row in range(first // vectors, -(-(first + len(four)) // vectors)):
                begin, end = max(first, row * vectors), min(first + len(four), (row + 1) * vectors)
                part = self.part(builder, bytes_, begin - first, end - first)
                at = self.packs.lanes * (begin - row * vectors)
                store(builder, part, offset(builder, rows[row], at))

    def part(self, builder, bytes_, begin: int, end: int):
        lanes = self.packs.lanes
        index = list(range(begin * lanes, end * lanes))
        return builder.shuffle_vector(bytes_, bytes_, ir.VectorType(I32, len(index))(index))
