"""A program on its own: load a tensor, compute, store."""

import numpy as np

from lowbit.kernels import window
from lowbit.kernels.layout import Layout
from lowbit.kernels.program import reference as program
from lowbit.kernels.record import WINDOW, fields
from lowbit.kernels.table import Kernel


def reference(address: int, lo: int, hi: int) -> None:
    p = fields(address, WINDOW)
    kind = np.float32 if p.x_kind == Layout.FLOAT else np.int32
    program.run(p.program, np.zeros((hi - lo, p.groups * p.width), kind), lo)


KERNELS = (
    Kernel("elementwise_x16", window.elementwise, tile=(1, 16)),
    Kernel("elementwise_reference", reference, reference=True),
)
