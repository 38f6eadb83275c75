"""The parameters of a copy: four sides with byte strides, and the bytes at each index."""

from collections.abc import Sequence

import numpy as np

from lowbit.kernels.limit import Limit
from lowbit.kernels.record import record

DIMS = 4
NAMES = [f"{name}{d}" for d in range(DIMS) for name in ("n", "source", "target")]
COPY = record("source", "target", "source_image", "target_image", "bytes", *NAMES)


def copy(sides: Sequence[tuple[int, int, int]], item: int, **fields: int) -> np.ndarray:
    """The record for items of `item` bytes over sides of (length, source and target stride).

    Sides that lie as one are joined; what lies together in both places is copied together. The
    first side stays the first, to be shared out; of the others the longest is the innermost.
    """
    joined: list[tuple[int, int, int]] = []
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
