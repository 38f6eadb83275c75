"""Thresholds in equal steps: arithmetic takes the place of a search only where it is exact."""

import numpy as np
import pytest

from lowbit.kernels.program.steps import indices, nearest_indices, quotient_indices
from lowbit.runtime.uniform import line, near, product, quotient
from lowbit.spec import QuantSpec


def index(t, x):
    return np.stack([np.searchsorted(r, v, "right") for r, v in zip(t, x, strict=True)])


@pytest.mark.parametrize("seed", range(12))
def test_what_quantizers_make_is_found_and_equal_everywhere(seed):
    """The code of round(scale x + shift), as bisection finds its thresholds."""
    rng = np.random.default_rng(seed)
    levels, channels = int(rng.choice([16, 31, 255])), 5
    scale, shift = rng.uniform(0.004, 0.9, (channels, 1)), rng.uniform(-99, 99, (channels, 1))
    k = np.arange(1, levels + 1)
    t = np.ceil((k - 0.5 - shift) / scale).astype(np.int32)
    found = line(t)
    assert found is not None
    reach = np.arange(-3, 4) + t.ravel()[:, None]
    x = np.unique(np.append(reach, [-(2**31), 2**31 - 1])).astype(np.int32)
    x = np.broadcast_to(x, (channels, len(x)))
    a, b = found
    np.testing.assert_array_equal(indices(x, a[:, None], b[:, None], levels), index(t, x))


def test_floats_too():
    t = (np.arange(1, 256, dtype=np.float32) - np.float32(0.5)) * np.float32(0.037)
    t = np.stack([t])
    found = line(t)
    if found is not None:  # exact, or not used
        x = np.concatenate([t, np.nextafter(t, np.float32(-9e9))], 1)
        a, b = found
        np.testing.assert_array_equal(indices(x, a[:, None], b[:, None], 255), index(t, x))


def rounding(scale: np.ndarray, levels: int, scaled=np.multiply) -> np.ndarray:
    """The least float32 x at which rint(clamp(fl(scale x))) is 1, 2, ...: bisected, on bits."""
    k = np.arange(1, levels + 1)
    low, high = (np.full((len(scale), levels), end, np.int64) for end in (0, 0x7F000000))
    while (low < high).any():
        middle = (low + high) // 2
        with np.errstate(over="ignore"):
            value = scaled(middle.astype(np.int32).view(np.float32), scale[:, None])
        reached = np.rint(np.clip(value, 0, levels)) >= k
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return low.astype(np.int32).view(np.float32)


def test_the_bytes_of_an_image_are_one_product():
    t = rounding(np.array([255], np.float32), 255)
    assert line(t) is None
    assert product(t) == [255]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("scaled", "find", "indices_of"),
    [(np.multiply, product, nearest_indices), (np.divide, quotient, quotient_indices)],
)
def test_a_rounded_product_or_quotient_is_found_and_equal_everywhere(
    seed, scaled, find, indices_of
):
    rng = np.random.default_rng(seed)
    levels, scale = int(rng.choice([16, 31, 255])), rng.uniform(0.01, 300, 4).astype(np.float32)
    t = rounding(scale, levels, scaled)
    a = find(t)
    assert a is not None
    x = np.concatenate([(t.view(np.int32) + d).view(np.float32) for d in range(-3, 4)], 1)
    x = np.concatenate([x, np.broadcast_to(np.float32([-9, -0.0, 0, 1e38]), (4, 4))], 1)
    np.testing.assert_array_equal(indices_of(x, a[:, None], levels), index(t, x))


def test_what_is_no_rounded_product_is_refused():
    t = rounding(np.array([255], np.float32), 255)
    assert product(np.nextafter(t, np.float32(9))) is None
    assert product(t.astype(np.int32)) is None
    assert product(np.append(t, np.float32([[np.inf]]), 1)) is None


def test_uneven_steps_are_refused():
    assert line(np.array([[0, 1, 2, 3, 50, 51, 52, 200]], np.int32)) is None
    assert line(np.full((1, 20), 7, np.int32)) is None


@pytest.mark.parametrize("end", [np.inf, -np.finfo(np.float32).max])
def test_codes_that_are_never_or_always_reached_have_no_line(end):
    t = np.sort(np.append(np.arange(1, 20, dtype=np.float32), np.float32(end)))[None]
    assert line(t) is None


def test_steps_whose_ends_were_rounded_have_a_line_near_them():
    """round((x - lo) / s), as an affine quantizer of floats has it."""
    low, step = np.float32(-6.17), np.float32(0.0595)
    t = (np.arange(255, dtype=np.float32) + np.float32(0.5)) * step + low
    t = np.nextafter(t, np.where(np.arange(255) % 3, np.float32(9), np.float32(-9)))[None]
    assert line(t) is None
    found = near(t)
    assert found is not None
    x = np.concatenate([t, np.nextafter(t, np.float32(-9))], 1)
    a, b = found
    assert np.abs(indices(x, a[:, None], b[:, None], 255) - index(t, x)).max() == 1


@pytest.mark.parametrize("seed", range(6))
def test_large_steps_of_sums_have_a_line_near_them(seed):
    """Sums lie in a range, and thresholds outside of it at its ends, as exporting finds them."""
    rng = np.random.default_rng(seed)
    reach = QuantSpec(-90_000, 120_000)
    scale, shift = rng.uniform(0.0005, 0.0011, (5, 1)), rng.uniform(-9, 120, (5, 1))
    t = np.ceil((np.arange(1, 256) - 0.5 - shift) / scale)
    t = np.clip(t, reach.lo, reach.hi + 1).astype(np.int32)
    assert line(t) is None
    assert near(t) is None
    found = near(t, reach)
    assert found is not None
    reached = np.unique(np.clip(np.arange(-3, 4) + t.ravel()[:, None], reach.lo, reach.hi))
    x = np.broadcast_to(reached.astype(np.int32), (5, len(reached)))
    a, b = found
    assert np.abs(indices(x, a[:, None], b[:, None], 255) - index(t, x)).max() <= 1


@pytest.mark.parametrize("end", [np.inf, 1e3])
def test_no_line_is_near_what_has_no_equal_steps(end):
    t = np.linspace(-6, 6, 255, dtype=np.float32)[None].copy()
    t[:, -1] = end
    assert near(t) is None
