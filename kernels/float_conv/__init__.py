"""Convolution of floats, in a stated order."""

from functools import partial

import numpy as np

from lowbit.kernels import dense, depthwise, products
from lowbit.kernels.float_conv import reference
from lowbit.kernels.table import Kernel


def pack(block: int, w: np.ndarray, spec: None, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][channel][lane] float32."""
    return products.blocks(w.astype(np.float32), groups, block)


def pack_depthwise(w: np.ndarray, spec: None, groups: int) -> np.ndarray:
    return depthwise.pack(w, np.float32)


KERNELS = (
    Kernel(
        "float_conv_depthwise",
        depthwise.depthwise_floats,
        tile=(1, 16),
        pack=pack_depthwise,
        fits=depthwise.fits,
    ),
    Kernel(
        "float_conv_4x32",
        dense.kernel(dense.Floats, 4, 2),
        frozenset({"avx512f"}),
        tile=(4, 32),
        pack=partial(pack, 32),
    ),
    Kernel(
        "float_conv_4x16",
        dense.kernel(dense.Floats, 4, 1),
        tile=(4, 16),
        pack=partial(pack, 16),
    ),
    Kernel("float_conv_reference", reference.run, pack=reference.pack, reference=True),
)
