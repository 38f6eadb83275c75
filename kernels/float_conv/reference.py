r"""Convolution of floats: the one product whose result depends on the order of its sums.

    s_0 = +0,   s_(n + 1) = fl(s_n + fl(x_n w_n))                                              (1)

with n running over the taps inside the image in row-major order, channels fastest, and fl one
rounding to float32. Here equality with torch ends: its order depends on build and machine.
"""

import numpy as np

from lowbit.kernels import products
from lowbit.kernels.record import view


def pack(w: np.ndarray, spec: None, groups: int) -> np.ndarray:
    return np.ascontiguousarray(w, np.float32)


def unpack(p) -> np.ndarray:
    return view(p.weights, np.float32, p.groups * p.width, p.kh, p.kw, p.depth)


def codes(p, hi: int) -> np.ndarray:
    return products.pixels(p, np.float32, hi, p.groups * p.depth)


def float_sums(p, x: np.ndarray, w: np.ndarray, hi: int) -> np.ndarray:
    """Equation (1), for all output pixels and channels side by side."""
    outs = p.groups * p.width
    group = np.arange(outs) // p.width
    total: np.ndarray | None = None
    for (ky, kx), taken, inside in products.windows(p, x, hi):
        total = np.zeros((len(taken), outs), np.float32) if total is None else total
        for c in range(p.depth):
            term = taken[:, group * p.depth + c] * w[:, ky, kx, c]
            total = np.where(inside[:, None], total + term, total)
    assert total is not None
    return total


def run(address: int, lo: int, hi: int) -> None:
    products.reference(codes, unpack, address, lo, hi, float_sums)
