"""Convolution of integer codes that are not worth cutting into planes."""

from functools import partial

from lowbit.kernels import dense, depthwise
from lowbit.kernels.dots import AVX2, AVX_VNNI, NEON, VNNI_256, VNNI_512
from lowbit.kernels.int_conv import (
    amx,
    amx_registers,
    few_bits,
    few_bits_bounded,
    fits,
    reference,
    rows,
)
from lowbit.kernels.table import Kernel

AVX512BW = frozenset({"avx512bw"})

KERNELS = (
    rows.depthwise_rolled_row("int_conv_depthwise_rolled_dots", VNNI_512, 8, 4),
    rows.depthwise_rolled_row("int_conv_depthwise_rolled_dots", VNNI_512, 8, 2),
    rows.depthwise_rolled_row("int_conv_depthwise_rolled_avxvnni", AVX_VNNI, 8, 2),
    rows.depthwise_rolled_row("int_conv_depthwise_rolled_neon", NEON, 8, 4),
    rows.depthwise_row("int_conv_depthwise_dots", VNNI_512, 2),
    rows.depthwise_row("int_conv_depthwise_avxvnni", AVX_VNNI, 1),
    rows.depthwise_row("int_conv_depthwise_dots", VNNI_256, 2),
    rows.depthwise_row("int_conv_depthwise_neon", NEON, 2),
    rows.depthwise_pairs_row(4),
    Kernel(
        "int_conv_depthwise",
        depthwise.depthwise_ints,
        tile=(1, 16),
        pack=rows.pack_depthwise,
        fits=depthwise.fits,
    ),
    rows.amx_joined_row("int_conv_joined_amx_32x32", amx_registers.Registers(), amx.REQUIRES),
    rows.joined_row("int_conv_joined_dots", VNNI_512, 8, 2),
    rows.joined_row("int_conv_joined_dots", VNNI_512, 4, 4),
    rows.joined_row("int_conv_joined_avxvnni", AVX_VNNI, 4, 2),
    rows.joined_row("int_conv_joined_avx2", AVX2, 4, 2),
    rows.joined_row("int_conv_joined_neon", NEON, 4, 4),
    rows.few_bits_row("int_conv_few_bits", few_bits.kernel, VNNI_512, 2, 4),
    rows.few_bits_row("int_conv_few_bits", few_bits.kernel, VNNI_512, 4, 2),
    rows.amx_row("int_conv_amx_32x32", amx_registers.Registers(), amx.REQUIRES),
    rows.dots_row("int_conv_dots", VNNI_512, 8, 2),
    rows.dots_row("int_conv_dots", VNNI_512, 4, 4),
    rows.dots_row("int_conv_avxvnni", AVX_VNNI, 4, 2),
    rows.dots_row("int_conv_neon", NEON, 4, 4),
    rows.few_bits_row("int_conv_few_bits_bounded", few_bits_bounded.kernel, AVX2, 2, 4),
    rows.few_bits_row("int_conv_few_bits_bounded", few_bits_bounded.kernel, AVX2, 4, 2),
    *(rows.bounded_row(run, 4, 2) for run in fits.RUNS),
    rows.dots_row("int_conv_avx2", AVX2, 4, 2),
    rows.widened_row(8, 4, 2, AVX512BW),
    rows.widened_row(8, 4, 1),
    rows.widened_row(16, 4, 2, AVX512BW),
    rows.widened_row(16, 4, 1),
    rows.pairs_row(4, 2, AVX512BW),
    rows.pairs_row(4, 1),
    Kernel(
        "int_conv_words_4x16",
        dense.kernel(dense.Words, 4, 1),
        tile=(4, 16),
        pack=partial(rows.pack_words, 16),
        fits=fits.words,
    ),
    Kernel("int_conv_reference", reference.run, pack=reference.pack, reference=True),
)
