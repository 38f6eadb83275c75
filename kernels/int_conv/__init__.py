"""Convolution of integer codes that are not worth cutting into planes."""

from functools import partial

import numpy as np

from lowbit.kernels import dense, depthwise, dots, products
from lowbit.kernels.int_conv import few_bits, reference, vnni
from lowbit.kernels.layout import Layout
from lowbit.kernels.table import Kernel
from lowbit.spec import QuantSpec


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


def dots_row(name: str, run, pixels: int, lanes: int) -> Kernel:
    return Kernel(
        name,
        run,
        dots.REQUIRES,
        tile=(pixels, lanes),
        pack=partial(vnni.pack, lanes),
        fits=bytes_by_int8,
        bias=vnni.bias,
        codes=True,
    )


def signed_by_two_bits(problem) -> str:
    if problem.layout is not Layout.BYTE:
        return "needs signed bytes"
    return "" if 1 <= problem.w_spec.bits <= 2 else "needs weights of two bits"


KERNELS = (
    Kernel(
        "int_conv_depthwise",
        depthwise.depthwise_ints,
        tile=(1, 16),
        pack=pack_depthwise,
        fits=depthwise.fits,
    ),
    Kernel(
        "int_conv_few_bits_4x32",
        few_bits.int_conv_few_bits_4x32,
        dots.REQUIRES,
        tile=(4, 32),
        pack=partial(few_bits.pack, 32),
        fits=signed_by_two_bits,
        codes=True,
    ),
    dots_row("int_conv_dots_8x32", vnni.int_conv_dots_8x32, 8, 32),
    dots_row("int_conv_dots_4x64", vnni.int_conv_dots_4x64, 4, 64),
    Kernel(
        "int_conv_pairs_4x32",
        dense.kernel(dense.BytePairs, 4, 2),
        frozenset({"avx512bw"}),
        tile=(4, 32),
        pack=partial(pack_pairs, 32),
        fits=bytes_by_int16,
    ),
    Kernel(
        "int_conv_pairs_4x16",
        dense.kernel(dense.BytePairs, 4, 1),
        tile=(4, 16),
        pack=partial(pack_pairs, 16),
        fits=bytes_by_int16,
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
