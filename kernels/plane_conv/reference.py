r"""Convolution of bit planes with bit planes, on packed operands.

Codes of an alphabet are a = la + sa A and w = lw + sw B with indices A, B >= 0, whose bits are
the planes: A = sum_i 2^i A_i, B = sum_j 2^j B_j. Over the taps inside the image, t, and their
channels, c,

    sum a w  =  sum la w  +  sum sa A (lw + sw B)
             =  la sum_t W_t  +  lw sum_t S_t  +  sa sw sum_ij 2^(i + j) popcount(A_i & B_j),    (1)

    W_t = sum_c w,   the sum of a tap's weight codes: per output channel, known beforehand;      (2)
    S_t = sa sum_i 2^i popcount(A_i),   what a pixel's codes exceed la by: the same for all
                                        output channels.                                         (3)

Unused bits of a last word are zero in A_i, and so count nowhere. Weights are packed for lanes of
output channels, [group][block][plane][tap][word][lane] uint64; equation (2) goes with them, times
la, as [group][block][tap][lane] int32.
"""

from functools import partial

import numpy as np

from lowbit.kernels import layout, products
from lowbit.kernels.record import view
from lowbit.spec import QuantSpec


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """Codes (O, kh, kw, C / groups) to blocks."""
    planes = layout.pack(w, spec)  # (O, kh, kw, planes, words)
    each = [products.blocks(planes[..., j, :], groups, block) for j in range(spec.bits)]
    return np.ascontiguousarray(np.stack(each, axis=2))


def bias(block: int, w: np.ndarray, x_spec: QuantSpec, groups: int) -> np.ndarray:
    """la W_t, equation (2)."""
    sums = x_spec.lo * w.sum(-1, keepdims=True, dtype=np.int64)
    return products.with_total(products.blocks(sums.astype(np.int32), groups, block))


def unpack(p) -> np.ndarray:
    count, size = p.groups * -(-p.width // p.block), p.kh * p.kw * p.words * p.block
    planes = []
    whole = view(p.weights, np.uint64, count, p.weight_planes, size)
    for j in range(p.weight_planes):
        part = np.ascontiguousarray(whole[:, j])
        planes.append(products.unblock(p, np.uint64, p.words, at=part.ctypes.data).copy())
    top = p.w_lo + p.w_step * (2**p.weight_planes - 1)
    return layout.unpack(np.stack(planes, -2), p.depth, QuantSpec(p.w_lo, top, p.w_step))


def codes(p, hi: int) -> np.ndarray:
    spec = QuantSpec(p.x_lo, p.x_lo + p.x_step * (2**p.planes - 1), p.x_step)
    x = products.pixels(p, np.uint64, hi, p.x_pixel // 8)
    return layout.unpack(x.reshape(*x.shape[:-1], p.planes, -1), p.groups * p.depth, spec)


run = partial(products.reference, codes, unpack)
