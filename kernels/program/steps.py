r"""Thresholds that ascend in equal steps: the index of equation (1), reference.py, by arithmetic.

    i = trunc(min(max(fl(fl(a x) + b), 0), n))                                                 (2)

or, where what they came from was itself a product that is rounded to the nearest integer,

    i = rint(min(max(fl(a x), 0), n)).                                                         (3)

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
from lowbit.kernels.simd import F32x16, I32x16, as_f32, as_i32, over


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
def products(i, x, c0, width):
    most = vectors.fill_float(np.float32(i.levels))
    for c in range(0, width, LANES):
        at, k = x + 4 * c, 4 * (c0 + c)
        scaled = vectors.mul(load_f32(at), load_f32(i.at + k))
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
def near(i, x, out, c0, width):
    """Equation (4); a NaN has index 0. Behind the thresholds lie a and b of each row."""
    base, slope = as_i32(i.second + 4 * c0), as_i32(i.third + 4 * c0)
    line = as_f32(i.at + i.lo)
    for c in range(width):
        row, value, guess = (c0 + c) * i.by_channel, x[c], np.int64(0)
        t, scaled = as_f32(i.at + 4 * row * i.levels), line[2 * row] * value + line[2 * row + 1]
        if scaled > 0:
            guess = i.levels if scaled > i.levels else np.int64(scaled)
        if guess < i.levels and value >= t[guess]:
            guess += 1
        elif guess > 0 and value < t[guess - 1]:
            guess -= 1
        out[c] = np.int32(base[c] + slope[c] * guess)


def indices(x: np.ndarray, a: np.ndarray, b: np.ndarray, levels: int) -> np.ndarray:
    """Equation (2) in NumPy."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = x.astype(np.float32) * a + b
    return np.clip(np.nan_to_num(scaled), 0, levels).astype(np.int32)


def nearest_indices(x: np.ndarray, a: np.ndarray, levels: int) -> np.ndarray:
    """Equation (3) in NumPy."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = x.astype(np.float32) * a
    return np.rint(np.clip(np.nan_to_num(scaled), 0, levels)).astype(np.int32)


def nearest_reference(i, x, first):
    channels = x.shape[1]
    base, slope = (view(at, np.int32, channels) for at in (i.second, i.third))
    return base + slope * nearest_indices(x, view(i.at, np.float32, channels), i.levels)


def reference(i, x, first):
    channels = x.shape[1]
    a, b = view(i.at, np.float32, channels), view(i.at + i.lo, np.float32, channels)
    base, slope = (view(at, np.int32, channels) for at in (i.second, i.third))
    return base + slope * indices(x, a, b, i.levels)
