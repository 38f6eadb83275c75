"""Convolution of integer codes that are not worth cutting into planes."""

import math
from functools import partial

import numpy as np

from lowbit.kernels import cpu, dense, depthwise, products
from lowbit.kernels.dots import AVX2, AVX_VNNI, NEON, VNNI_256, VNNI_512, Dot
from lowbit.kernels.int_conv import (
    amx,
    bounded,
    depthwise_fours,
    depthwise_pairs,
    few_bits,
    fours,
    joined,
    reference,
    widened,
)
from lowbit.kernels.layout import Layout
from lowbit.kernels.table import Kernel
from lowbit.spec import QuantSpec

AVX512BW = frozenset({"avx512bw"})


def pack_pairs(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][pair of channels][lane][2] int16."""
    return products.blocks(w.astype(np.int16), groups, block, unit=2)


def pack_words(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    return products.blocks(w.astype(np.int32), groups, block)


def pack_depthwise(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    return depthwise.pack(w, np.int32)


def bytes_by_int16(problem) -> str:
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs codes of one byte"
    return "" if problem.w_spec.magnitude < 2**15 else "needs int16 weights"


def words(problem) -> str:
    return "" if problem.layout is Layout.INT else "needs int32 codes"


def bytes_by_int8(problem) -> str:
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs codes of one byte"
    return "" if problem.w_spec.lo >= -128 and problem.w_spec.hi <= 127 else "needs int8 weights"


def most_in_pairs(problem) -> int:
    """The largest sum of two products of codes, of which signed ones are moved by 128."""
    low = problem.x_spec.lo if problem.layout is Layout.UBYTE else -128
    return 2 * (problem.x_spec.hi - low) * problem.w_spec.magnitude


def bounded_bytes(run: int, problem) -> str:
    few = run * most_in_pairs(problem) < 2**15
    return bytes_by_int8(problem) or ("" if few else f"needs {2 * run} products in 16 bits")


def depthwise_by_dots(dot: Dot, problem) -> str:
    """Wide vectors of few channels would be mostly padding."""
    if why := depthwise.fits(problem) or bytes_by_int8(problem):
        return why
    if dot.narrow and most_in_pairs(problem) >= 2**15:
        return "needs two products in 16 bits"
    if math.prod(problem.kernel) > depthwise_fours.MOST_TAPS:
        return f"needs {depthwise_fours.MOST_TAPS} taps at most"
    spare = -problem.channels % dot.bytes
    return "needs vectors full of channels" if dot.lanes > 8 and spare >= 32 else ""


def depthwise_by_pairs(problem) -> str:
    if why := depthwise.fits(problem) or bytes_by_int16(problem):
        return why
    few = math.prod(problem.kernel) <= depthwise_fours.MOST_TAPS
    return "" if few else f"needs {depthwise_fours.MOST_TAPS} taps at most"


def dots_row(name: str, dot: Dot, pixels: int, vectors: int) -> Kernel:
    lanes = dot.lanes * vectors
    return Kernel(
        f"{name}_{pixels}x{lanes}",
        fours.kernel(dot, pixels, vectors),
        dot.requires,
        tile=(pixels, lanes),
        pack=partial(fours.pack, lanes),
        fits=bytes_by_int8,
        bias=partial(fours.bias, dot.shift),
        codes=True,
    )


def bounded_row(run: int, pixels: int, vectors: int) -> Kernel:
    lanes = bounded.PAIRS.lanes * vectors
    return Kernel(
        f"int_conv_bounded{run}_{pixels}x{lanes}",
        bounded.kernel(run, pixels, vectors),
        bounded.PAIRS.requires,
        tile=(pixels, lanes),
        pack=partial(fours.pack, lanes),
        fits=partial(bounded_bytes, run),
        bias=partial(fours.bias, bounded.PAIRS.shift),
        codes=True,
    )


def joined_bytes(problem) -> str:
    return joined.fits(problem) or bytes_by_int8(problem)


def joined_row(name: str, dot: Dot, pixels: int, vectors: int) -> Kernel:
    lanes = dot.lanes * vectors
    return Kernel(
        f"{name}_{pixels}x{lanes}",
        joined.kernel(dot, pixels, vectors),
        dot.requires,
        tile=(pixels, lanes),
        pack=partial(joined.pack, lanes),
        fits=joined_bytes,
        bias=partial(joined.bias, dot.shift),
        codes=True,
    )


def depthwise_row(name: str, dot: Dot, pixels: int) -> Kernel:
    return Kernel(
        f"{name}_{pixels}x{dot.bytes}",
        depthwise_fours.kernel(dot, pixels),
        dot.requires,
        tile=(pixels, dot.bytes),
        pack=partial(depthwise_fours.pack, dot.bytes),
        fits=partial(depthwise_by_dots, dot),
        bias=partial(depthwise_fours.bias, dot.shift),
        codes=True,
        channelwise=True,
    )


def rows_too_long(problem) -> str:
    few = math.prod(problem.kernel) * problem.channels <= widened.MOST
    return "" if few else f"needs {widened.MOST} inputs a sum at most"


def widened_bytes(problem) -> str:
    if problem.groups > 1:
        return "needs one group"
    return bytes_by_int8(problem) or rows_too_long(problem)


def widened_shorts(problem) -> str:
    if not bytes_by_int8(problem):
        return "needs weights that are no bytes"
    if problem.groups > 1:
        return "needs one group"
    return bytes_by_int16(problem) or rows_too_long(problem)


def pairs(problem) -> str:
    """What the widened rows leave: they are faster in all they can do."""
    if problem.groups == 1 and not rows_too_long(problem):
        return "needs groups, or longer sums"
    return bytes_by_int16(problem)


def widened_row(
    bits: int, pixels: int, vectors: int, requires: frozenset[str] = frozenset()
) -> Kernel:
    lanes = dense.LANES * vectors
    return Kernel(
        f"int_conv_widened{bits}_{pixels}x{lanes}",
        widened.kernel(bits, pixels, vectors),
        requires,
        tile=(pixels, lanes),
        pack=partial(widened.pack, {8: np.int8, 16: np.int16}[bits], lanes),
        fits={8: widened_bytes, 16: widened_shorts}[bits],
        codes=True,
    )


def signed_by_two_bits(problem) -> str:
    if problem.layout is not Layout.BYTE:
        return "needs signed bytes"
    if math.prod(problem.kernel) * problem.channels // problem.groups > few_bits.MOST:
        return f"needs {few_bits.MOST} inputs a sum at most"
    return "" if 1 <= problem.w_spec.bits <= 2 else "needs weights of two bits"


def bytes_by_amx(problem) -> str:
    if why := bytes_by_int8(problem):
        return why
    if problem.channels // problem.groups < amx.DEPTH // 2:
        return f"needs {amx.DEPTH // 2} channels a group"
    able = cpu.features() >= amx.REQUIRES
    return "" if not able or amx.permitted() else "needs the system's leave to use AMX"


def amx_row(name: str, registers, requires: frozenset[str]) -> Kernel:
    return Kernel(
        name,
        amx.kernel(registers),
        requires,
        tile=(amx.PIXELS, amx.LANES),
        pack=amx.pack,
        fits=bytes_by_amx,
        bias=partial(fours.bias, VNNI_512.shift),
        codes=True,
    )


def few_bits_row(name: str, run, pixels: int, lanes: int) -> Kernel:
    return Kernel(
        name,
        run,
        VNNI_512.requires,
        tile=(pixels, lanes),
        pack=partial(few_bits.pack, lanes),
        fits=signed_by_two_bits,
        codes=True,
    )


KERNELS = (
    depthwise_row("int_conv_depthwise_dots", VNNI_512, 2),
    depthwise_row("int_conv_depthwise_avxvnni", AVX_VNNI, 1),
    depthwise_row("int_conv_depthwise_dots", VNNI_256, 2),
    depthwise_row("int_conv_depthwise_avx2", AVX2, 1),
    depthwise_row("int_conv_depthwise_neon", NEON, 2),
    Kernel(
        "int_conv_depthwise_pairs_4x16",
        depthwise_pairs.kernel(4),
        tile=(4, 16),
        pack=depthwise_pairs.pack,
        fits=depthwise_by_pairs,
        codes=True,
        channelwise=True,
    ),
    Kernel(
        "int_conv_depthwise",
        depthwise.depthwise_ints,
        tile=(1, 16),
        pack=pack_depthwise,
        fits=depthwise.fits,
    ),
    joined_row("int_conv_joined_dots", VNNI_512, 8, 2),
    joined_row("int_conv_joined_dots", VNNI_512, 4, 4),
    joined_row("int_conv_joined_avxvnni", AVX_VNNI, 4, 2),
    joined_row("int_conv_joined_neon", NEON, 4, 4),
    few_bits_row("int_conv_few_bits_2x64", few_bits.int_conv_few_bits_2x64, 2, 64),
    few_bits_row("int_conv_few_bits_4x32", few_bits.int_conv_few_bits_4x32, 4, 32),
    amx_row("int_conv_amx_32x32", amx.Registers(), amx.REQUIRES),
    dots_row("int_conv_dots", VNNI_512, 8, 2),
    dots_row("int_conv_dots", VNNI_512, 4, 4),
    dots_row("int_conv_avxvnni", AVX_VNNI, 4, 2),
    dots_row("int_conv_neon", NEON, 4, 4),
    bounded_row(32, 4, 2),
    bounded_row(8, 4, 2),
    widened_row(8, 4, 2, AVX512BW),
    widened_row(8, 4, 1),
    widened_row(16, 4, 2, AVX512BW),
    widened_row(16, 4, 1),
    Kernel(
        "int_conv_pairs_4x32",
        dense.kernel(dense.BytePairs, 4, 2),
        AVX512BW,
        tile=(4, 32),
        pack=partial(pack_pairs, 32),
        fits=pairs,
    ),
    Kernel(
        "int_conv_pairs_4x16",
        dense.kernel(dense.BytePairs, 4, 1),
        tile=(4, 16),
        pack=partial(pack_pairs, 16),
        fits=pairs,
    ),
    Kernel(
        "int_conv_words_4x16",
        dense.kernel(dense.Words, 4, 1),
        tile=(4, 16),
        pack=partial(pack_words, 16),
        fits=words,
    ),
    Kernel("int_conv_reference", reference.run, pack=reference.pack, reference=True),
)
