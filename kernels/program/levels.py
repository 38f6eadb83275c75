"""Many thresholds a channel, and tables."""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.program import Op, steps
from lowbit.kernels.program.instructions import one_by_one
from lowbit.kernels.simd import as_f32, as_i32


@inner
def search(i, x, t, out, c0, width):
    """Equation (1) of reference.py by bisection, with the thresholds of a channel side by side."""
    base, slope = as_i32(i.second + 4 * c0), as_i32(i.third + 4 * c0)
    for c in range(width):
        start = (c0 + c) * i.levels * i.by_channel
        low, length = start, i.levels
        while length > 0:
            half = length >> 1
            if x[c] >= t[low + half]:
                low += half + 1
                length -= half + 1
            else:
                length = half
        out[c] = np.int32(base[c] + slope[c] * (low - start))


@inner
def step(i, op, x, at, c0, width):
    """One instruction on one pixel."""
    if op == Op.SEARCH_INT:
        search(i, as_i32(x), as_i32(i.at), as_i32(x), c0, width)
    elif op == Op.SEARCH_FLOAT:
        search(i, as_f32(x), as_f32(i.at), as_i32(x), c0, width)
    elif op == Op.LOOKUP:
        n, table = as_i32(x), as_i32(i.at)
        for c in range(width):
            n[c] = table[(c0 + c) * i.levels * i.by_channel + n[c] - i.lo]
    elif op == Op.STEPS_INT:
        steps.uniform(i, False, x, c0, width)
    elif op == Op.STEPS_FLOAT:
        steps.uniform(i, True, x, c0, width)
    elif op == Op.STEPS_NEAREST:
        steps.rounded(i, False, x, c0, width)
    elif op == Op.STEPS_QUOTIENT:
        steps.rounded(i, True, x, c0, width)
    elif op == Op.NEAR_INT:
        steps.near(i, False, x, c0, width)
    else:
        steps.near(i, True, x, c0, width)


run = one_by_one(step)
