r"""Convolution of signs with signs, on packed operands, said plainly.

A set bit is +1, so the product of two signs is +1 where their bits agree and -1 where they
differ. Over the T taps inside the image, of C channels each,

    sum_t a_t w_t  =  (T C - d) - d  =  T C - 2 d,        d = sum_t popcount(A_t xor W_t)     (1)

The unused bits of a last word are zero in both operands and add nothing to d.

Weights are packed for lanes of output channels: [group][block][tap][word][lane] uint64, with
`block` lanes, zero beyond the last channel.
"""

from functools import partial

import numpy as np

from lowbit.kernels import layout, products
from lowbit.spec import BINARY, QuantSpec


def pack(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """Signs (O, kh, kw, C / groups) to blocks."""
    planes = layout.pack(w, spec)[..., 0, :]  # (O, kh, kw, words)
    return products.blocks(planes, groups, block)


def unpack(p) -> np.ndarray:
    words = products.unblock(p, np.uint64, p.words)  # (O, kh, kw, words)
    return layout.unpack(words[..., None, :], p.depth, BINARY)


def codes(p, images: int) -> np.ndarray:
    x = products.pixels(p, np.uint64, images, p.x_pixel // 8)
    return layout.unpack(x[..., None, :], p.groups * p.depth, BINARY)


run = partial(products.reference, codes, unpack)
