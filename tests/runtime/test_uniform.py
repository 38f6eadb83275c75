"""Thresholds in equal steps: arithmetic takes the place of a search only where it is exact."""

import numpy as np
import pytest

from lowbit.kernels.program.steps import indices
from lowbit.runtime.uniform import line


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


def test_uneven_steps_are_refused():
    assert line(np.array([[0, 1, 2, 3, 50, 51, 52, 200]], np.int32)) is None
    assert line(np.full((1, 20), 7, np.int32)) is None


@pytest.mark.parametrize("end", [np.inf, -np.finfo(np.float32).max])
def test_codes_that_are_never_or_always_reached_have_no_line(end):
    t = np.sort(np.append(np.arange(1, 20, dtype=np.float32), np.float32(end)))[None]
    assert line(t) is None
