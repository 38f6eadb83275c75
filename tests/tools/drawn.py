"""Weights for networks too large to keep: a function of each array's name and shape, and no more.

Raw Philox words, which NumPy promises never to change, so that what one environment computed from
them can be compared in another.
"""

from collections.abc import Sequence

import numpy as np


def uniform(name: str, shape: Sequence[int], lo: float, hi: float) -> np.ndarray:
    """float32 in [lo, hi), always the same for a name."""
    words = np.random.Philox(np.random.SeedSequence(list(name.encode())))
    unit = (words.random_raw(int(np.prod(shape))) >> np.uint64(40)).astype(np.float32) / 2**24
    return (lo + (hi - lo) * unit).astype(np.float32).reshape(shape)


def array(name: str, shape: Sequence[int]) -> np.ndarray:
    """An entry of a torch state dict, such that a deep network's values stay within bounds."""
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if kind == "weight" and len(shape) > 1:
        limit = float(np.sqrt(6 / np.prod(shape[1:])))
        return uniform(name, shape, -limit, limit)
    lo, hi = {"weight": (0.5, 1.5), "running_var": (0.5, 2.0)}.get(kind, (-0.3, 0.3))
    return uniform(name, shape, lo, hi)
