"""Weights of little more than a byte as sums of bytes: all taps are multiplied once a part.

    sum_k x_k w_k = sum_i sum_k x_k v_ik,   w_k = sum_i v_ik,   |v_ik| <= 127                   (1)

DoReFa's of 8 bits, odd numbers from -255 to 255, are three.
"""

import numpy as np

from lowbit.kernels.problem import parts
from lowbit.spec import QuantSpec

LARGEST = 127  # of a part


def apart(w: np.ndarray, spec: QuantSpec) -> np.ndarray:
    """(O, kh, kw, C) to (O, parts kh, kw, C) int8, one part after the other."""
    found, rest = [], w.astype(np.int64)
    for _ in range(parts(spec)):
        found.append(rest if parts(spec) == 1 else np.clip(rest, -LARGEST, LARGEST))
        rest = rest - found[-1]
    assert not rest.any()
    return np.concatenate(found, 1).astype(np.int8)
