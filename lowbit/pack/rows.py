"""A row of bytes for each row of a matrix: numbers that describe it, then small codes."""

import numpy as np

from lowbit.pack.bits import SIZE

WIDEST = 16  # bits of a code


def joined(ends: list[np.ndarray], e: np.ndarray, w: int) -> np.ndarray | None:
    """Rows of bytes: the ends of each line, and its e."""
    if w > WIDEST:
        return None
    stream = (e[:, :, None] >> np.arange(w) & 1).astype(np.uint8)
    return np.hstack([*ends, np.packbits(stream.reshape(len(e), -1), axis=1, bitorder="little")])


def parted(data: np.ndarray, count: int, ends: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The ends, the e as int64, `count` a row, and w."""
    w = 8 * (data.shape[1] - ends) // count
    if data.shape[1] != ends + -(-w * count // 8) or not 0 <= w <= WIDEST:
        raise ValueError(SIZE)
    stream = np.unpackbits(data[:, ends:], axis=1, bitorder="little")
    if stream[:, count * w :].any():
        raise ValueError("its last bytes are filled with zeros")
    e = stream[:, : count * w].reshape(len(data), count, w).astype(np.int64) << np.arange(w)
    return data[:, :ends], e.sum(2), w
