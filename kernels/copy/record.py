"""The parameters of a copy: four sides with byte strides, and the bytes at each index."""

from collections.abc import Sequence

import numpy as np

from lowbit.kernels.limit import Limit
from lowbit.kernels.record import record

DIMS = 4
ROW = 256  # of what is shared out, so many at most are copied in the innermost loop
Side = tuple[int, int, int]  # length, source and target stride in bytes
NAMES = [f"{name}{d}" for d in range(DIMS) for name in ("n", "source", "target")]
COPY = record("source", "target", "source_image", "target_image", "bytes", *NAMES)


def in_two(side: Side, longest: int) -> list[Side]:
    """A side, or an outer and an inner part of it, if that makes a longer innermost loop."""
    n, source, target = side
    inner = max(d for d in range(1, min(n, ROW) + 1) if n % d == 0)
    if inner <= longest:
        return [side]
    return [(n // inner, inner * source, inner * target), (inner, source, target)]


def copy(sides: Sequence[Side], item: int, **fields: int) -> np.ndarray:
    """The record for items of `item` bytes over sides of (length, source and target stride).

    Sides that lie as one are joined; what lies together in both places is copied together. The
    first side stays the first, to be shared out, but for a part of it where that is longer than
    all others; of these the longest is the innermost.
    """
    joined: list[Side] = []
    for n, source, target in (*(s for s in sides if s[0] != 1), (item, 1, 1)):
        if joined and joined[-1][1:] == (n * source, n * target):
            n *= joined.pop()[0]
        joined.append((n, source, target))
    *outer, (count, _, _) = joined
    if len(outer) > DIMS:
        raise Limit(f"a copy over {len(outer)} strided sides")
    record = np.zeros(1, COPY)
    record["bytes"] = count
    first, *rest = outer or [(1, 0, 0)]
    if len(rest) < DIMS - 1:
        first, *inner = in_two(first, max((n for n, _, _ in rest), default=1))
        rest += inner
    ordered = [
        first,
        *[(1, 0, 0)] * (DIMS - 1 - len(rest)),
        *sorted(rest, key=lambda side: side[0]),
    ]
    for d, side in enumerate(ordered):
        for name, value in zip(("n", "source", "target"), side, strict=True):
            record[f"{name}{d}"] = value
    for name, value in fields.items():
        record[name] = value
    return record
