"""Codes as a stream of bits: the index of each code, least significant bit first."""

import math

import numpy as np

from lowbit.ir.types import storage
from lowbit.spec import QuantSpec

SIZE = "it has the bytes of its shape"


def width(spec: QuantSpec) -> int:
    return max(spec.bits, 1)


def size(count: int, spec: QuantSpec) -> int:
    """Bytes that hold `count` codes: ceil(count width / 8)."""
    return -(-count * width(spec) // 8)


def packed(codes: np.ndarray, spec: QuantSpec) -> np.ndarray:
    index = (codes.reshape(-1).astype(np.int64) - spec.lo) // spec.step
    if width(spec) == 8:
        return index.astype(np.uint8)
    stream = np.empty((len(index), width(spec)), np.uint8)
    for i in range(width(spec)):
        stream[:, i] = (index >> i) & 1
    return np.packbits(stream, bitorder="little")


def unpacked(data: np.ndarray, shape: tuple[int, ...], spec: QuantSpec) -> np.ndarray:
    """The codes, in a row. ValueError if `data` are not the bytes of this shape, or an index or the
    last byte is not as written."""
    every, count = width(spec), math.prod(shape)
    if data.shape != (size(count, spec),):
        raise ValueError(SIZE)
    index = data[:count] if every == 8 else indices(data, count, every)
    if spec.levels < 2**every and (index >= spec.levels).any():
        raise ValueError(f"it keeps to {spec}")
    # lo + step index fits the type that holds codes, so that modulo its range is enough.
    codes = index.astype(storage(spec))
    codes *= np.int64(spec.step).astype(codes.dtype)
    codes += np.int64(spec.lo).astype(codes.dtype)
    return codes


def indices(data: np.ndarray, count: int, every: int) -> np.ndarray:
    """Numbers of `every` bits each; ValueError if what is left of the last byte is not 0."""
    stream = np.unpackbits(data, bitorder="little")
    if stream[count * every :].any():
        raise ValueError("its last byte is filled with zeros")
    kind: type = np.uint8 if every <= 8 else np.int64
    index: np.ndarray = stream[: count * every : every].astype(kind)
    for i in range(1, every):
        index |= stream[i : count * every : every].astype(kind) << i
    return index
