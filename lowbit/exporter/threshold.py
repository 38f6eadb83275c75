r"""Thresholds found by asking the float model.

A monotone chain f from x to a code index in 0..L-1 is a step function. With

    g(x) = f(x) where the channel rises,  L - 1 - f(x) where it falls,                       (1)

g never decreases, and is known by its L - 1 thresholds

    t_i = min { x : g(x) >= i },  i = 1..L-1,                                                (2)

so that g(x) = #{ i : x >= t_i }. All thresholds of all channels are bisected together, each
probe one evaluation of the actual torch operations: rounding, fused or not, is included. Floats
are bisected through their bit patterns, which order as they do.
"""

from dataclasses import dataclass

import numpy as np

from lowbit.exporter.chain import Chain
from lowbit.spec import QuantSpec

EXHAUSTIVE = 2**24  # probes; beyond this an operation of unknown order is not looked at


@dataclass(frozen=True)
class Steps:
    """Thresholds (rows, L - 1), int64 or float32, and the direction of each row."""

    thresholds: np.ndarray
    falling: np.ndarray


@dataclass(frozen=True)
class Table:
    """Codes (rows, hi - lo + 1) of a function that is no step function."""

    codes: np.ndarray


def ask(chain: Chain, domain: QuantSpec | None) -> Steps | Table | None:
    """What the chain computes on an integer range, or on every float32 if `domain` is None.

    None where its order is not known and the range too large to look at every value.
    """
    directions = chain.directions()
    if np.isfinite(directions).all():
        return bisect(chain, domain, directions < 0)
    if domain is None or (domain.hi - domain.lo + 1) * chain.channels > EXHAUSTIVE:
        return None
    return enumerate_all(chain, domain)


def bisect(chain: Chain, domain: QuantSpec | None, falling: np.ndarray) -> Steps:
    """Equations (1) and (2). A threshold past the domain's end means: never reached."""
    points = Floats() if domain is None else Integers(domain)
    levels = np.arange(1, chain.spec.levels)[:, None]
    low = np.full((len(levels), chain.channels), points.first - 1, np.int64)  # g(low) < i
    high = np.full_like(low, points.last + 1)  # g(high) >= i
    for _ in range(int(points.last - points.first + 2).bit_length()):
        middle = (low + high) // 2
        inside = (middle >= points.first) & (middle <= points.last)
        x = points.value(np.clip(middle, points.first, points.last))
        index = chain.index(x)
        reached = np.where(falling, len(levels) - index, index) >= levels
        reached = np.where(inside, reached, middle > points.last)
        moving = high - low > 1
        high = np.where(moving & reached, middle, high)
        low = np.where(moving & ~reached, middle, low)
    return shared(Steps(points.threshold(high).T, falling))


class Integers:
    def __init__(self, domain: QuantSpec) -> None:
        self.first, self.last = domain.lo, domain.hi

    def value(self, point: np.ndarray) -> np.ndarray:
        return point

    def threshold(self, point: np.ndarray) -> np.ndarray:
        return point


class Floats:
    """Every finite float32, as the integers that its bit pattern orders as."""

    last = int(np.array(np.finfo(np.float32).max).view(np.int32))
    first = -last

    def value(self, point: np.ndarray) -> np.ndarray:
        magnitude = np.abs(point).astype(np.int32).view(np.float32)
        return np.where(point < 0, -magnitude, magnitude)

    def threshold(self, point: np.ndarray) -> np.ndarray:
        never = np.where(point > self.last, np.float32(np.inf), np.float32(0))
        value = self.value(np.clip(point, self.first, self.last)).astype(np.float32)
        return np.where(point > self.last, never, value)


def shared(steps: Steps) -> Steps:
    """One row where all channels have the same."""
    alike = (steps.thresholds == steps.thresholds[:1]).all() and len(set(steps.falling)) == 1
    return Steps(steps.thresholds[:1], steps.falling[:1]) if alike else steps


def enumerate_all(chain: Chain, domain: QuantSpec) -> Steps | Table:
    """Every value of a small range: thresholds if it turns out monotone, else a table."""
    x = np.arange(domain.lo, domain.hi + 1)
    index = np.concatenate(
        [
            chain.index(np.repeat(part[:, None], chain.channels, 1))
            for part in np.array_split(x, max(1, len(x) * chain.channels // 2**20))
        ]
    )
    change = np.diff(index, axis=0)
    rising, falling = (change >= 0).all(0), (change <= 0).all(0)
    if (rising | falling).all():
        return bisect(chain, domain, ~rising)
    codes = chain.spec.lo + chain.spec.step * index.T
    return Table(codes[:1] if (codes == codes[:1]).all() else codes)
