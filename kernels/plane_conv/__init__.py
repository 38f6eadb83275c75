"""Convolution of any few-bit codes with any few-bit weights, as products of bit planes."""

from functools import partial

from lowbit.kernels.plane_conv import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel(
        "plane_conv_4x16",
        generic.plane_conv_4x16,
        frozenset({"avx512f", "avx512vpopcntdq"}),
        tile=(4, 16),
        pack=partial(reference.pack, 16),
        bias=reference.bias,
    ),
    Kernel(
        "plane_conv_2x8",
        generic.plane_conv_2x8,
        tile=(2, 8),
        pack=partial(reference.pack, 8),
        bias=reference.bias,
    ),
    Kernel(
        "plane_conv_reference",
        reference.run,
        tile=(1, 8),
        pack=partial(reference.pack, 8),
        bias=reference.bias,
        reference=True,
    ),
)
