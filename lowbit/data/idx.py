"""IDX, the format of MNIST: two zeros, a type, a rank, big-endian sizes, then the bytes in C order.

Only unsigned bytes are read, which is all that these data sets hold. The digest is taken over the
unpacked bytes, so that a file compressed anew is still known to be the same data.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UINT8 = 8


class DataError(ValueError):
    """A data file is damaged, altered or something else than its name says."""


def unpack(path: Path) -> bytes:
    """The content of `path`, gunzipped when the name ends in .gz."""
    raw = path.read_bytes()
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from error


def parse(raw: bytes, path: Path) -> NDArray[np.uint8]:
    """The array in IDX bytes. `path` is only named in errors."""
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UINT8 or not 1 <= raw[3] <= 4:
        raise DataError(f"{path}: not an IDX file of unsigned bytes (it begins {raw[:4].hex(' ')})")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise DataError(f"{path}: the IDX header is cut off after {len(raw)} bytes")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        raise DataError(
            f"{path}: the header promises {math.prod(shape)} bytes for shape {shape}, "
            f"the file holds {len(raw) - start}"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_idx(path: Path, sha256: frozenset[str]) -> NDArray[np.uint8]:
    """The array in the file, once its unpacked bytes are known to be one of `sha256`."""
    raw = unpack(path)
    array = parse(raw, path)
    digest = hashlib.sha256(raw).hexdigest()
    if digest not in sha256:
        raise DataError(
            f"{path}: not the published data (sha256 of the unpacked bytes {digest}); "
            "delete or replace the file"
        )
    return array


def dump(array: NDArray[np.uint8]) -> bytes:
    """`array` as IDX bytes: the inverse of `parse`."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UINT8, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, np.uint8).tobytes()
