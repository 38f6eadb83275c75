"""Picking on any CPU. Its unit is a row of the result."""

import numpy as np

from lowbit.kernels.layout import Layout
from lowbit.kernels.pick.reference import PICK
from lowbit.kernels.record import reader
from lowbit.kernels.simd import as_i32, as_u8, copy_bytes

parameters = reader(PICK)
INT = int(Layout.INT)


def run(address, lo, hi):
    p = parameters(address)
    for unit in range(lo, hi):
        image, i = unit // p.count, unit % p.count
        index = p.index + image * p.index_image
        wide = p.index_kind == INT  # a byte of an index is never negative
        row = np.int64(as_i32(index)[i]) if wide else np.int64(as_u8(index)[i])
        source = p.source + image * p.source_image + row * p.bytes
        copy_bytes(p.target + unit * p.bytes, source, p.bytes)
