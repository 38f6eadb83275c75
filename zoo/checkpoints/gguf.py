"""GGUF's ternary types, TQ1_0 and TQ2_0 of llama.cpp, for linear layers.

A row is cut into blocks of 256 weights with a float16 scale d each:

    TQ2_0   64 bytes of codes, then d: byte 32 h + j holds weights 128 h + j + (0, 32, 64, 96),
            lowest bits first, code + 1 in two bits
    TQ1_0   48 + 4 bytes, then d: a byte holds five digits of base 3 (the last four bytes four),
            as the fraction byte / 256: digit n is the integer part of 3 (byte 3^n mod 256) / 256

Blocks of zeros have any d; the others share one in a BitNet, and a matrix where they do not is
refused: our layers have one scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lowbit.zoo.checkpoints.errors import CheckpointError
from lowbit.zoo.checkpoints.gguf_header import Entry, entries
from lowbit.zoo.checkpoints.ternary import Ternary

BLOCK = 256


@dataclass(frozen=True, slots=True)
class Type:
    """`bytes` a block, of which the last two are the scale."""

    name: str
    bytes: int


TYPES = {34: Type("TQ1_0", 54), 35: Type("TQ2_0", 66)}


def read(path: str | Path) -> dict[str, Ternary]:
    """The file's ternary matrices by name. Raises CheckpointError, and OSError."""
    return dict(matrices(Path(path)))


def matrices(path: Path) -> Iterator[tuple[str, Ternary]]:
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    for entry in entries(path, data):
        if entry.type in TYPES:
            try:
                yield entry.name, matrix(entry, data)
            except CheckpointError as error:
                raise CheckpointError(f"{path}: {entry.name}: {error}") from None


def matrix(entry: Entry, data: np.ndarray) -> Ternary:
    kind = TYPES[entry.type]
    if len(entry.shape) != 2 or entry.shape[1] % BLOCK:
        raise CheckpointError(f"{kind.name} is for matrices of rows by {BLOCK}, not {entry.shape}")
    count = entry.shape[0] * entry.shape[1] // BLOCK
    if entry.offset + count * kind.bytes > len(data):
        raise CheckpointError(f"{count} blocks of {kind.name} are not all in the file")
    blocks = data[entry.offset : entry.offset + count * kind.bytes].reshape(count, kind.bytes)
    codes = DECODE[kind.name](blocks[:, :-2])
    if codes.max(initial=0) > 2:
        raise CheckpointError("a code is not ternary")
    codes = codes.astype(np.int8) - 1
    scales = np.ascontiguousarray(blocks[:, -2:]).view("<f2")[:, 0]
    return Ternary(torch.from_numpy(codes.reshape(entry.shape)), common(scales, codes))


def common(scales: np.ndarray, codes: np.ndarray) -> float:
    """The one scale of the blocks that have weights other than zero."""
    used = np.unique(scales[codes.any(1)])
    if len(used) > 1 or not np.isfinite(used).all() or (used <= 0).any():
        raise CheckpointError(f"its blocks have {len(used)} scales, {used[:3]}; a layer has one")
    return float(used[0]) if len(used) else 1.0


def two_bits(blocks: np.ndarray) -> np.ndarray:
    shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    return (blocks.reshape(len(blocks), -1, 1, 32) >> shifts & 3).reshape(len(blocks), -1)


def base_three(blocks: np.ndarray) -> np.ndarray:
    parts = (digits(blocks[:, a:b], b - a, n) for a, b, n in ((0, 32, 5), (32, 48, 5), (48, 52, 4)))
    return np.concatenate([*parts], 1)


def digits(part: np.ndarray, width: int, count: int) -> np.ndarray:
    powers = (3 ** np.arange(count)).astype(np.uint8)[:, None]
    fractions = part.reshape(len(part), 1, width) * powers  # wraps: the integer part is dropped
    return (fractions.astype(np.uint16) * 3 >> 8).reshape(len(part), -1)


DECODE = {"TQ2_0": two_bits, "TQ1_0": base_three}
