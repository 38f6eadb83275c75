"""What a padded image is copied from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lowbit.runtime.move import border_parts

sides, ends = st.integers(1, 5), st.integers(0, 3)


@given(st.tuples(sides, sides), st.tuples(st.tuples(ends, ends), st.tuples(ends, ends)))
def test_the_parts_of_a_border_are_the_border(sides, padding):
    """Every pixel of it once, and none of the image."""
    written = np.zeros(tuple(s + sum(p) for s, p in zip(sides, padding, strict=True)), int)
    for start, count, step, size in border_parts(sides, padding):
        for k in range(count):
            written.reshape(-1)[start + k * step :][:size] += 1
    np.testing.assert_array_equal(written, np.pad(np.zeros(sides, int), padding, constant_values=1))
