"""Rows of floats to one value each, by halving."""

from lowbit.kernels.halve import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("halve_x16", generic.run, tile=(1, 16)),
    Kernel("halve_reference", reference.run, reference=True),
)
