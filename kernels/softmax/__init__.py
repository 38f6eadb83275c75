"""Shares of 8-bit codes in a row."""

from lowbit.kernels.softmax import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("softmax_rows", generic.run),
    Kernel("softmax_reference", reference.run, reference=True),
)
