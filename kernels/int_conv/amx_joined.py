"""Convolution of few channels by AMX: a row of taps is one tap.

64 bytes of depth a tap would be mostly padding where there are three channels. The channels of the
taps (ky, 0), (ky, 1), ... lie side by side in the image, so that tiles read them where they are;
what else they read of the row is multiplied by zero.
"""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv import amx
from lowbit.spec import QuantSpec

CHUNK = 16  # bytes copied at a time


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C) to [block][part][ky][four bytes][lane][4] int8."""
    return amx.pack(w.reshape(*w.shape[:2], 1, -1), spec, groups)


@inner
def columns(p):
    return 1


@inner
def row_of_taps(p):
    return p.kw * p.depth


@inner
def tap(p):
    return p.depth


ROWS = amx.Taps(columns, row_of_taps, tap, CHUNK)


def kernel(registers):
    return amx.product(registers, ROWS, None, 1)
