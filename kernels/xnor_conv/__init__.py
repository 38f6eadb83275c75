"""Convolution of signs with signs. Best kernel first; the reference is last and always runs."""

from functools import partial

from lowbit.kernels.table import Kernel
from lowbit.kernels.xnor_conv import generic, reference

KERNELS = (
    Kernel(
        "xnor_conv_4x32",
        generic.xnor_conv_4x32,
        frozenset({"avx512f", "avx512vpopcntdq"}),
        tile=(4, 32),
        pack=partial(reference.pack, 32),
        bits=True,
    ),
    Kernel(
        "xnor_conv_8x16",
        generic.xnor_conv_8x16,
        frozenset({"avx512f", "avx512vpopcntdq"}),
        tile=(8, 16),
        pack=partial(reference.pack, 16),
        bits=True,
    ),
    Kernel(
        "xnor_conv_2x8",
        generic.xnor_conv_2x8,
        tile=(2, 8),
        pack=partial(reference.pack, 8),
        bits=True,
    ),
    Kernel(
        "xnor_conv_reference",
        reference.run,
        tile=(1, 8),
        pack=partial(reference.pack, 8),
        reference=True,
    ),
)
