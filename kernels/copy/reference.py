"""A copy between strided places, said plainly: for every index, `bytes` bytes go across."""

import numpy as np

from lowbit.kernels.copy.record import COPY, DIMS
from lowbit.kernels.record import fields, view


def run(address: int, lo: int, hi: int) -> None:
    p = fields(address, COPY)
    sides = [getattr(p, f"n{d}") for d in range(DIMS)]
    for unit in range(lo, hi):
        image, first = divmod(unit, sides[0])
        for rest in np.ndindex(*sides[1:]):
            index = (first, *rest)
            source, target = (
                at + sum(i * getattr(p, f"{name}{d}") for d, i in enumerate(index))
                for name, at in (
                    ("source", p.source + image * p.source_image),
                    ("target", p.target + image * p.target_image),
                )
            )
            view(target, np.uint8, p.bytes)[:] = view(source, np.uint8, p.bytes)
