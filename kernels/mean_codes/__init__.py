"""Means of codes, rounded half away from zero."""

from lowbit.kernels.mean_codes import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("mean_codes_ints", generic.mean_codes_ints, tile=(1, 16)),
    Kernel("mean_codes_reference", reference.mean_codes, reference=True),
)
