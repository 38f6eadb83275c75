"""How a tensor lies in memory: image after image, pixel after pixel, channels last.

FLOAT and INT take four bytes a channel, BYTE and UBYTE one. PLANES holds the bits of the index
of each code, (code - lo) / step, plane after plane: channel c is bit c % 64 of word c // 64, and
the unused bits of the last word are zero.
"""

from enum import IntEnum

import numpy as np

from lowbit.spec import QuantSpec

WORD = 64
SLACK = 64  # bytes behind a tensor that kernels may read: whole vectors, past the last channel


class Layout(IntEnum):
    FLOAT = 0
    INT = 1
    BYTE = 2
    UBYTE = 3
    PLANES = 4


DTYPES: dict[Layout, np.dtype] = {
    Layout.FLOAT: np.dtype(np.float32),
    Layout.INT: np.dtype(np.int32),
    Layout.BYTE: np.dtype(np.int8),
    Layout.UBYTE: np.dtype(np.uint8),
    Layout.PLANES: np.dtype(np.uint64),
}
MAX_PLANES = 4


def words(channels: int) -> int:
    return -(-channels // WORD)


def pixel_bytes(layout: Layout, channels: int, spec: QuantSpec | None) -> int:
    if layout is Layout.PLANES:
        assert spec is not None
        return 8 * spec.bits * words(channels)
    return channels * DTYPES[layout].itemsize


def whole(spec: QuantSpec | None) -> Layout:
    """The layout that holds a code a channel in the fewest bytes. Codes of 0 to 127 could be either
    kind of byte: unsigned, their products with signed weights are the smaller."""
    if spec is None:
        return Layout.FLOAT
    if spec.lo >= 0 and spec.hi <= 255:
        return Layout.UBYTE
    return Layout.BYTE if spec.lo >= -128 and spec.hi <= 127 else Layout.INT


def pack(codes: np.ndarray, spec: QuantSpec) -> np.ndarray:
    """Codes (..., C) to planes (..., bits, words): the definition."""
    wide = codes if spec.bits == 1 else codes.astype(np.int64)
    bits = np.zeros((*codes.shape[:-1], spec.bits, words(codes.shape[-1]) * WORD), np.uint8)
    for i in range(spec.bits):
        plane = wide > spec.lo if spec.bits == 1 else (wide - spec.lo) // spec.step >> i & 1
        bits[..., i, : codes.shape[-1]] = plane
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)


def unpack(planes: np.ndarray, channels: int, spec: QuantSpec) -> np.ndarray:
    """Planes (..., bits, words) to int32 codes (..., C)."""
    bits = np.unpackbits(np.ascontiguousarray(planes).view(np.uint8), axis=-1, bitorder="little")
    index = (bits[..., :channels].astype(np.int32) << np.arange(spec.bits)[:, None]).sum(-2)
    return (spec.lo + spec.step * index).astype(np.int32)
