"""Finds the line that counts thresholds in equal steps, or that there is none."""

import numpy as np

from lowbit.kernels.program.steps import indices

ROUNDS = 40


def line(t: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Float32 (a, b), a row of thresholds each, for equation (2) of kernels/program/steps.py.

    It has to reach k at the k-th threshold and not before, that is  k - a t_k <= b  and
    b < k - a (t_k - one step of x). For given a the room for b is a concave function of a, whose
    maximum is found by ternary search. None unless the result is exact for every row.
    """
    if t.dtype == np.float32 and not (np.abs(t) < np.finfo(np.float32).max).all():
        return None  # a code that is never reached, or always: such rows have no equal steps
    below = under(t)
    wide, just = t.astype(np.float64), below.astype(np.float64)
    spread = wide[:, -1] - wide[:, 0]
    if not (spread > 0).all() or not np.isfinite(spread).all():
        return None
    k = np.arange(1, t.shape[1] + 1)
    slope = (t.shape[1] - 1) / spread
    low, high = slope * (1 - 2 / t.shape[1]), slope * (1 + 2 / t.shape[1])

    def ends(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (k - a[:, None] * wide).max(1), (k - a[:, None] * just).min(1)

    def room(a: np.ndarray) -> np.ndarray:
        least, most = ends(a)
        return most - least

    for _ in range(ROUNDS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        better = room(left) < room(right)
        low, high = np.where(better, left, low), np.where(better, high, right)
    a = (low + high) / 2
    least, most = ends(a)
    b = (least + most) / 2
    found = a.astype(np.float32), b.astype(np.float32)
    return found if exact(t, below, *found) else None


def under(t: np.ndarray) -> np.ndarray:
    """The largest value below each threshold."""
    if t.dtype == np.float32:
        return np.nextafter(t, np.float32(-np.inf))
    return np.maximum(t.astype(np.int64) - 1, np.iinfo(np.int32).min).astype(np.int32)


def exact(t: np.ndarray, below: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    if not ((a > 0).all() and np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    for x in (t, below):
        wanted = [np.searchsorted(row, values, "right") for row, values in zip(t, x, strict=True)]
        if (indices(x, a[:, None], b[:, None], t.shape[1]) != np.stack(wanted)).any():
            return False
    return True
