"""Rows picked by index: embeddings, and the nearest pixels of a resized image."""

from lowbit.kernels.pick import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("pick_rows", generic.run),
    Kernel("pick_reference", reference.run, reference=True),
)
