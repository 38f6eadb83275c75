"""Sixteen channels of a tensor that keeps a number a channel, as int32 lanes."""

from lowbit.kernels.entry import inner
from lowbit.kernels.layout import Layout
from lowbit.kernels.program import vectors

UBYTE, BYTE = int(Layout.UBYTE), int(Layout.BYTE)


@inner
def load_codes(kind, pixel, channel):
    if kind == UBYTE:
        return vectors.load_u8(pixel + channel)
    if kind == BYTE:
        return vectors.load_i8(pixel + channel)
    return vectors.load_i32(pixel + 4 * channel)
