"""What a GGUF file says it holds: names, shapes, types and places of its tensors, nothing more.

Version 2 or 3, little endian: counts, then keys with values (skipped, but for the alignment), then
an entry a tensor. Every length is compared with the file's own before anything is read by it.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowbit.zoo.checkpoints.errors import CheckpointError

# The struct codes of GGUF's scalar types, by number; 8 is a string and 9 an array.
SCALARS = dict(enumerate("BbHhIif?")) | dict(zip((10, 11, 12), "Qqd", strict=True))
STRING, ARRAY = 8, 9
DEEPEST = 4  # arrays in arrays


@dataclass(frozen=True, slots=True)
class Entry:
    """`shape` with the longest stride in front, as numpy has it; `offset` from the file's start."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int


class Cursor:
    """Reads on through the bytes, and never past their end."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.place = 0

    def bytes(self, count: int) -> bytes:
        if count > len(self.data) - self.place:
            raise CheckpointError(f"{count} bytes are asked for at {self.place}, beyond the end")
        self.place += count
        return self.data[self.place - count : self.place].tobytes()

    def number(self, code: str) -> int:
        return struct.unpack(f"<{code}", self.bytes(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        return self.bytes(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> int | None:
        """A scalar; what else there is, is passed over."""
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            self.bytes(self.number("Q"))
        elif kind == ARRAY and depth < DEEPEST:
            inner, count = self.number("I"), self.number("Q")
            if inner in SCALARS:
                self.bytes(count * struct.calcsize(f"<{SCALARS[inner]}"))
            else:
                for _ in range(min(count, len(self.data))):
                    self.value(inner, depth + 1)
        else:
            raise CheckpointError(f"a value of type {kind}")
        return None


def entries(path: Path, data: np.ndarray) -> Iterator[Entry]:
    """Raises CheckpointError for what is no GGUF file, or a damaged one."""
    try:
        yield from read(Cursor(data))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def read(cursor: Cursor) -> list[Entry]:
    if cursor.bytes(4) != b"GGUF" or cursor.number("I") not in (2, 3):
        raise CheckpointError("not a GGUF file of version 2 or 3")
    count, keys, alignment = cursor.number("Q"), cursor.number("Q"), 32
    for _ in range(min(keys, len(cursor.data))):
        name = cursor.text()
        value = cursor.value(cursor.number("I"))
        if name == "general.alignment" and value:
            alignment = int(value)
    found = [entry(cursor) for _ in range(min(count, len(cursor.data)))]
    start = math.ceil(cursor.place / alignment) * alignment
    return [Entry(e.name, e.shape, e.type, start + e.offset) for e in found]


def entry(cursor: Cursor) -> Entry:
    name, rank = cursor.text(), cursor.number("I")
    if rank > 4:
        raise CheckpointError(f"{name} has {rank} axes")
    shape = tuple(cursor.number("Q") for _ in range(rank))[::-1]
    return Entry(name, shape, cursor.number("I"), cursor.number("Q"))
