r"""How a range is chosen from what calibration remembers, one row a method.

Every method keeps the ends of one-sided data: a range is cut inside [min, max], never mirrored,
so a ReLU's keeps all codes for its positive half. `spec` says how many codes there are.
"""

from collections.abc import Callable

import numpy as np

from lowbit.int8.parameters import activation_parameters
from lowbit.int8.statistics import Statistics
from lowbit.spec import INT8, QuantSpec

Range = tuple[float, float]
TAIL = 1e-5  # of the values, that percentile calibration leaves outside at either end
CUTS = 64  # candidate ranges of a search


def minmax(seen: Statistics, spec: QuantSpec = INT8) -> Range:
    return seen.low, seen.high


def moving_average(seen: Statistics, spec: QuantSpec = INT8) -> Range:
    """Ends averaged over batches. Jacob et al., 2018, section 3.1."""
    assert seen.average is not None
    return seen.average


def percentile(seen: Statistics, spec: QuantSpec = INT8) -> Range:
    """All values but a share of 1e-5 at either end."""
    below = np.cumsum(seen.counts) / seen.counts.sum()
    first = int(np.searchsorted(below, TAIL))
    last = int(np.searchsorted(below, 1 - TAIL))
    return within(seen, seen.edges[first], seen.edges[last + 1])


def within(seen: Statistics, lo: float, hi: float) -> Range:
    return max(seen.low, float(lo)), min(seen.high, float(hi))


def mse(seen: Statistics, spec: QuantSpec = INT8) -> Range:
    """The range of least squared error: the upper end is cut first, then the lower."""
    lo, hi = min(seen.low, 0.0), max(seen.high, 0.0)
    fractions = np.linspace(1 / CUTS, 1, CUTS)
    hi = min((hi * f for f in fractions), key=lambda end: squared_error(seen, lo, end, spec))
    lo = min((lo * f for f in fractions), key=lambda end: squared_error(seen, end, hi, spec))
    return lo, hi


def squared_error(seen: Statistics, lo: float, hi: float, spec: QuantSpec = INT8) -> float:
    """Summed over the histogram, each bin at its middle."""
    scale, zero = activation_parameters(lo, hi, spec)
    x = seen.centers
    codes = np.clip(np.rint(x / scale) + zero, spec.lo, spec.hi)
    return float((seen.counts * (x - (codes - zero) * scale) ** 2).sum())


def entropy(seen: Statistics, spec: QuantSpec = INT8) -> Range:
    r"""The cut T of |x| with the least Kullback-Leibler divergence, as TensorRT chooses it.

    P is the histogram of |x| up to T with all that lies beyond in its last bin; Q is P without
    those, in as many levels as there are codes, each spread evenly over the bins that it fills.
    Migacz, "8-bit inference with TensorRT", GTC 2017.
    """
    magnitude = abs(seen.centers)
    bins = np.rint(magnitude / seen.width - 0.5).astype(np.int64)
    counts = np.bincount(bins, seen.counts.astype(np.float64))
    levels = spec.levels - 1 if seen.low >= 0 or seen.high <= 0 else spec.hi
    counts[0] = counts[1]  # a ReLU's zeros are exact in any range, and must not rule it
    last = int(np.flatnonzero(counts)[-1]) + 1
    if last <= levels:
        return minmax(seen)
    ends = np.unique(np.linspace(levels, last, CUTS).astype(int))
    best = min(ends, key=lambda end: divergence(counts[:last], int(end), levels))
    return within(seen, -best * seen.width, best * seen.width)


def divergence(counts: np.ndarray, end: int, levels: int) -> float:
    """KL(P || Q) for a cut after `end` bins."""
    inside = counts[:end]
    p = inside.copy()
    p[-1] += counts[end:].sum()
    level = np.arange(end) * levels // end
    filled = inside > 0
    totals = np.bincount(level, inside, levels)
    q = filled * (totals / np.maximum(np.bincount(level, filled, levels), 1))[level]
    p, q = p / p.sum(), q / q.sum()
    known = (p > 0) & (q > 0)
    # A bin that only the cut fills has no q: it is charged as if one count in 10^6 were there.
    spare = p[(p > 0) & ~known]
    return float(
        (p[known] * np.log(p[known] / q[known])).sum() + (spare * np.log(spare / 1e-6)).sum()
    )


METHODS: dict[str, Callable[[Statistics, QuantSpec], Range]] = {
    "minmax": minmax,
    "moving_average": moving_average,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
