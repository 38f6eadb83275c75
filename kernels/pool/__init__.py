"""Pooling. One table for each reduction; rows differ in the layout that they read."""

from functools import partial

from lowbit.kernels.layout import Layout
from lowbit.kernels.pool import generic, kept, reference
from lowbit.kernels.table import Kernel

FEWEST_BYTES = 16


def floats(problem) -> str:
    return "" if problem.layout is Layout.FLOAT else "needs floats"


def codes(problem) -> str:
    whole = (Layout.INT, Layout.BYTE, Layout.UBYTE)
    return "" if problem.layout in whole else "needs a code a channel"


def bytes_rows_need(problem, channels: int = FEWEST_BYTES) -> str:
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs a byte a channel"
    return "" if problem.channels >= channels else f"needs {channels} channels"


def bytes_row(channels: int) -> Kernel:
    return Kernel(
        f"max_bytes_x{channels}",
        kept.max_pool_bytes(channels),
        tile=(1, channels),
        fits=partial(bytes_rows_need, channels=channels),
    )


MAX_POOL = (
    Kernel("max_pool_ints", generic.max_pool_ints, tile=(1, 16), fits=codes),
    Kernel("max_pool_floats", generic.max_pool_floats, tile=(1, 16), fits=floats),
    Kernel("max_pool_reference", reference.max_pool, reference=True),
)
MAX_BITS = (
    Kernel("max_bits_words", kept.max_pool_bits, tile=(1, 64)),
    Kernel("max_bits_reference", reference.max_bits, reference=True),
)
MAX_BYTES = (
    bytes_row(64),
    bytes_row(FEWEST_BYTES),
    Kernel("max_bytes_reference", reference.max_bytes, reference=True),
)
AVG_POOL = (
    Kernel("avg_pool_ints", generic.avg_pool_ints, tile=(1, 16), fits=codes),
    Kernel("avg_pool_floats", generic.avg_pool_floats, tile=(1, 16), fits=floats),
    Kernel("avg_pool_reference", reference.avg_pool, reference=True),
)
MEAN = (
    Kernel("mean_halved", generic.mean_halved, tile=(1, 16), fits=floats),
    Kernel("mean_reference", reference.halved, reference=True),
)
KERNELS = (*MAX_POOL, *MAX_BITS, *MAX_BYTES, *AVG_POOL, *MEAN)
