r"""y = sum_k (a_k - z_a) (b_k - z_b): codes exactly, floats in order of k from +0.  (1)

Product and addition are rounded separately. a is (rows, depth), `rows` of them to each matrix
b (depth, width); matrices follow each other in memory.
"""

import numpy as np

from lowbit.kernels.layout import DTYPES, Layout
from lowbit.kernels.record import fields, record, view

MATMUL = record("a", "b", "out", "rows", "depth", "width", "a_kind", "b_kind", "zero_a", "zero_b")


def run(address: int, lo: int, hi: int) -> None:
    """Equation (1); a unit is a row of the result."""
    p = fields(address, MATMUL)
    matrices = -(-hi // p.rows)
    a = view(p.a, DTYPES[Layout(p.a_kind)], hi, p.depth)
    b = view(p.b, DTYPES[Layout(p.b_kind)], matrices, p.depth, p.width)
    floating = p.a_kind == Layout.FLOAT
    kind = np.float32 if floating else np.int32
    out = view(p.out, kind, hi, p.width)
    for row in range(lo, hi):
        x, y = a[row].astype(kind) - kind(p.zero_a), b[row // p.rows].astype(kind) - kind(p.zero_b)
        total = np.zeros(p.width, kind)
        for k in range(p.depth):
            total += x[k] * y[k]
        out[row] = total
