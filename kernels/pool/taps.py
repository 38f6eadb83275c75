"""All taps of a pixel, combined in their order: as many channels as a vector has."""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.simd import Vector, intrinsic, over, vector_load, vector_store


def combined(vector: Vector, combine, start: float):
    """The function run(p, t, at, out) that leaves at `out` what combine(builder, tap, so far) makes
    of `start` and the taps of a tile's pixel, from byte `at` of the pixel on."""
    load, store, both = vector_load(vector), vector_store(vector), over(vector, vector, vector)
    both, count = both(combine), np.int64(vector.llvm.count)

    @intrinsic
    def first(typingctx):
        kind = vector.llvm
        return vector.type(), lambda context, builder, signature, args: kind([start] * kind.count)

    @inner
    def run(p, t, at, out):
        result = first()
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                pixel = t.x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                result = both(load(pixel + at), result)
        store(out, result, count)

    return run
