r"""Thresholds that ascend in equal steps: the index of equation (1), reference.py, by arithmetic.

    i = trunc(min(max(fl(fl(a x) + b), 0), n))                                                 (2)

or, where what they came from was itself a product or a quotient, rounded to the nearest integer,

    i = rint(min(max(fl(a x), 0), n)),    or with fl(x / a).                                   (3)

Every operation in them is monotone for a > 0, so that they equal (1) everywhere as soon as they do
at each threshold and just below; the planner looks for such a and b. Where there are none, but (2)
is nowhere wrong by more than one, two comparisons set it right:

    i' = i + (1 if x >= t_i) - (1 if x < t_(i-1)).                                             (4)
"""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.program import vectors
from lowbit.kernels.program.vectors import LANES, load_f32, load_i32, store_i32
from lowbit.kernels.record import view
from lowbit.kernels.requantize import MAGIC, lanes
from lowbit.kernels.simd import F32x16, I32x16, over


@over(I32x16, F32x16, F32x16)
def index(builder, scaled, most):
    """The clamp and trunc of (2); a NaN has index 0."""
    zero = scaled.type(None)
    low = builder.select(builder.fcmp_ordered(">", scaled, zero), scaled, zero)
    return builder.fptosi(
        builder.select(builder.fcmp_ordered("<", low, most), low, most), I32x16.llvm
    )


@over(I32x16, F32x16, F32x16)
def nearest(builder, scaled, most):
    """The clamp and rint of (3), ties to even; a NaN has index 0."""
    zero, magic = scaled.type(None), lanes(scaled.type, MAGIC)
    low = builder.select(builder.fcmp_ordered(">", scaled, zero), scaled, zero)
    low = builder.select(builder.fcmp_ordered("<", low, most), low, most)
    return builder.fptosi(builder.fsub(builder.fadd(low, magic), magic), I32x16.llvm)


@inner
def rounded(i, divided, x, c0, width):
    most = vectors.fill_float(np.float32(i.levels))
    for c in range(0, width, LANES):
        at, k = x + 4 * c, 4 * (c0 + c)
        value, a = load_f32(at), load_f32(i.at + k)
        scaled = vectors.div(value, a) if divided else vectors.mul(value, a)
        base, slope = load_i32(i.second + k), load_i32(i.third + k)
        store_i32(at, vectors.multiply_add(slope, nearest(scaled, most), base), LANES)


@inner
def uniform(i, is_float, x, c0, width):
    most = vectors.fill_float(np.float32(i.levels))
    for c in range(0, width, LANES):
        at, k = x + 4 * c, 4 * (c0 + c)
        value = load_f32(at) if is_float else vectors.to_float(load_i32(at))
        scaled = vectors.add(vectors.mul(value, load_f32(i.at + k)), load_f32(i.at + i.lo + k))
        base, slope = load_i32(i.second + k), load_i32(i.third + k)
        store_i32(at, vectors.multiply_add(slope, index(scaled, most), base), LANES)


@inner
def near(i, is_float, x, c0, width):
    """Equation (4), as i - 1 and one for each of two thresholds reached; a NaN has index 0. Before
    the first threshold of a row lies one that all reach, behind the last one that none does."""
    most, one, down = vectors.fill_float(np.float32(i.levels)), vectors.fill(1), vectors.fill(-1)
    for c in range(0, width, LANES):
        at, k = x + 4 * c, 4 * (c0 + c)
        value = load_f32(at) if is_float else vectors.to_float(load_i32(at))
        scaled = vectors.add(vectors.mul(value, load_f32(i.at + k)), load_f32(i.at + i.lo + k))
        guess = index(scaled, most)
        place = vectors.multiply_add(guess, one, load_i32(i.at + i.zero + k))
        count, t = vectors.multiply_add(guess, one, down), i.at + i.hi
        for ahead in range(0, 8, 4):
            if is_float:
                reached = vectors.gather_f32(t + ahead, place)
                count = vectors.count_f32(count, value, reached)
            else:
                count = vectors.count_i32(count, load_i32(at), vectors.gather_i32(t + ahead, place))
        count = vectors.larger(count, vectors.fill(0))
        base, slope = load_i32(i.second + k), load_i32(i.third + k)
        store_i32(at, vectors.multiply_add(slope, count, base), LANES)


def between_ends(t: np.ndarray) -> np.ndarray:
    """Rows of thresholds as `near` reads them."""
    first, last = (-np.inf, np.nan) if t.dtype == np.float32 else (-(2**31), 2**31 - 1)
    return np.pad(t, ((0, 0), (1, 1)), constant_values=((0, 0), (first, last)))


def indices(x: np.ndarray, a: np.ndarray, b: np.ndarray, levels: int) -> np.ndarray:
    """Equation (2) in NumPy."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = x.astype(np.float32) * a + b
    return np.clip(np.nan_to_num(scaled), 0, levels).astype(np.int32)


def nearest_indices(x: np.ndarray, a: np.ndarray, levels: int) -> np.ndarray:
    """Equation (3) in NumPy, of a product."""
    with np.errstate(invalid="ignore", over="ignore"):
        return to_nearest(x.astype(np.float32) * a, levels)


def quotient_indices(x: np.ndarray, a: np.ndarray, levels: int) -> np.ndarray:
    """Equation (3) in NumPy, of a quotient."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return to_nearest(x.astype(np.float32) / a, levels)


def to_nearest(scaled: np.ndarray, levels: int) -> np.ndarray:
    return np.rint(np.clip(np.nan_to_num(scaled), 0, levels)).astype(np.int32)


def rounded_reference(indices, i, x, first):
    channels = x.shape[1]
    base, slope = (view(at, np.int32, channels) for at in (i.second, i.third))
    return base + slope * indices(x, view(i.at, np.float32, channels), i.levels)


def reference(i, x, first):
    channels = x.shape[1]
    a, b = view(i.at, np.float32, channels), view(i.at + i.lo, np.float32, channels)
    base, slope = (view(at, np.int32, channels) for at in (i.second, i.third))
    return base + slope * indices(x, a, b, i.levels)
