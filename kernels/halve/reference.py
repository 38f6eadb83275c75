r"""P values of a row are combined until one is left:

    x_i <- f(x_i, x_(i + h)) for i < P - h,  P <- h,  h = ceil(P / 2),                        (1)

with f a sum, or the larger of two.
"""

import numpy as np

from lowbit.kernels.record import fields, record, view

# `out` has a value a row; `work` has room for half a row, for each row.
HALVE = record("x", "out", "work", "length", "largest")


def run(address: int, lo: int, hi: int) -> None:
    p = fields(address, HALVE)
    x = view(p.x, np.float32, hi, p.length)[lo:]
    combine = np.maximum if p.largest else np.add
    while x.shape[1] > 1:
        half = (x.shape[1] + 1) // 2
        spare = x.shape[1] - half
        x = np.concatenate([combine(x[:, :spare], x[:, half:]), x[:, spare:half]], 1)
    view(p.out, np.float32, hi)[lo:] = x[:, 0]
