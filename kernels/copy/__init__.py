"""Strided copies: transpositions, concatenations, broadcasts and explicit padding."""

from lowbit.kernels.copy import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("copy_strided", generic.run),
    Kernel("copy_reference", reference.run, reference=True),
)
