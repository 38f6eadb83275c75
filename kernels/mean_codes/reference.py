r"""q = trunc((s + sign(s) n // 2) / n),  s the sum of the n taps inside the image.  (1)"""

import numpy as np

from lowbit.kernels import products
from lowbit.kernels.pool.reference import inputs
from lowbit.kernels.program import reference as program
from lowbit.kernels.record import WINDOW, fields


def rounded_mean(p, hi: int) -> np.ndarray:
    """Equation (1)."""
    x = inputs(p, hi)
    total, count = np.zeros((), np.int64), np.zeros((), np.int64)
    for _, taken, inside in products.windows(p, x, hi):
        total = total + np.where(inside[:, None], taken.astype(np.int64), 0)
        count = count + inside
    n = count[:, None]
    moved = total + np.where(total > 0, n // 2, -(n // 2))
    return (np.sign(moved) * (abs(moved) // n)).astype(np.int32)


def mean_codes(address: int, lo: int, hi: int) -> None:
    p = fields(address, WINDOW)
    program.run(p.program, rounded_mean(p, hi)[lo:hi], lo)
