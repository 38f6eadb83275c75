"""Finds the line that counts thresholds in equal steps, or that there is none."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lowbit.kernels.program.steps import indices, nearest_indices, quotient_indices
from lowbit.spec import QuantSpec

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


NEIGHBOURS = 8  # of the float32 scale that the ends of the thresholds suggest, on either side


def product(t: np.ndarray) -> np.ndarray | None:
    """Float32 a, one for each row of thresholds, for equation (3) of kernels/program/steps.py: what
    an image's bytes, or a quantizer of bytes, came from. None unless exact for every row."""
    return scale(t, lambda spread: (t.shape[1] - 1) / spread, nearest_indices)


def quotient(t: np.ndarray) -> np.ndarray | None:
    """The same where x is divided by a, as a learned step divides it."""
    return scale(t, lambda spread: spread / (t.shape[1] - 1), quotient_indices)


def scale(t: np.ndarray, guess: Callable, index: Callable[..., np.ndarray]) -> np.ndarray | None:
    if t.dtype != np.float32 or not (np.abs(t) < np.finfo(np.float32).max).all():
        return None
    wide = t.astype(np.float64)
    spread = wide[:, -1] - wide[:, 0]
    if not (spread > 0).all() or not np.isfinite(spread).all():
        return None
    start = guess(spread).astype(np.float32).view(np.int32)
    found, done = np.zeros(len(t), np.float32), np.zeros(len(t), bool)
    for away in sorted(range(-NEIGHBOURS, NEIGHBOURS + 1), key=abs):
        a = (start + np.int32(away)).view(np.float32)
        good = reaches(t, (t, under(t)), lambda x, a=a: index(x, a[:, None], t.shape[1]))
        found, done = np.where(good & ~done, a, found), done | good
    return found if done.all() else None


def near(t: np.ndarray, reach: QuantSpec | None = None) -> tuple[np.ndarray, np.ndarray] | None:
    """Float32 (a, b), a row of thresholds each, for equation (4) of kernels/program/steps.py; None
    unless it holds for every row. Integers lie in `reach`, thresholds perhaps do not."""
    if t.dtype == np.float32 and not (np.abs(t) < np.finfo(np.float32).max).all():
        return None
    points = [t, under(t)]
    inside = np.ones(t.shape, bool)
    if reach and t.dtype != np.float32:
        points = [np.clip(x, reach.lo, reach.hi) for x in points]
        inside = (t > reach.lo) & (t <= reach.hi)
    rows, count, first = np.arange(len(t)), inside.sum(1), inside.argmax(1)
    low, high = (t[rows, k].astype(np.float64) for k in (first, np.maximum(first + count - 1, 0)))
    if (count < 2).any() or not (high > low).all():
        return None
    slope = (count - 1) / (high - low)
    a, b = slope.astype(np.float32), (first + 1 - slope * low).astype(np.float32)
    guess = partial(indices, a=a[:, None], b=b[:, None], levels=t.shape[1])
    good = (a > 0).all() and np.isfinite(a + b).all() and reaches(t, points, guess, 1).all()
    return (a, b) if good else None


def under(t: np.ndarray) -> np.ndarray:
    """The largest value below each threshold."""
    if t.dtype == np.float32:
        return np.nextafter(t, np.float32(-np.inf))
    return np.maximum(t.astype(np.int64) - 1, np.iinfo(np.int32).min).astype(np.int32)


def exact(t: np.ndarray, below: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    if not ((a > 0).all() and np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    index = partial(indices, a=a[:, None], b=b[:, None], levels=t.shape[1])
    return bool(reaches(t, (t, below), index).all())


def reaches(
    t: np.ndarray, points: Sequence[np.ndarray], index: Callable[..., np.ndarray], off: int = 0
) -> np.ndarray:
    """The rows whose index is right at all the points, or `off` by so many at most."""
    good = np.ones(len(t), bool)
    for x in points:
        wanted = [np.searchsorted(row, values, "right") for row, values in zip(t, x, strict=True)]
        good &= (np.abs(index(x) - np.stack(wanted)) <= off).all(1)
    return good
