r"""Convolution of integer codes with integer weights, int8 and uint8 above all.

    acc = sum over taps inside, over c:  x_c w_c,   in int32.                                  (1)

The sums are proved to fit int32, so additions modulo 2^32 are exact in any order. The reference
reads its weights as plain int32 (O, kh, kw, C / groups); the rows pack them as they like.
"""

from functools import partial

import numpy as np

from lowbit.kernels import products
from lowbit.kernels.layout import DTYPES, Layout
from lowbit.kernels.record import view
from lowbit.spec import QuantSpec


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    return np.ascontiguousarray(w, np.int32)


def unpack(p) -> np.ndarray:
    return view(p.weights, np.int32, p.groups * p.width, p.kh, p.kw, p.depth)


def codes(p, hi: int) -> np.ndarray:
    return products.pixels(p, DTYPES[Layout(p.x_kind)], hi, p.groups * p.depth)


run = partial(products.reference, codes, unpack)
