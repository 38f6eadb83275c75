"""The safetensors container: two kinds of tensor, one entry of metadata, one hash over both."""

import hashlib
import json
import math

import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from lowbit.ir import TensorType
from lowbit.pack import bits, lines

KEY = "lowbit"
DIGITS = 64  # of a sha256
MAX_HEADER = 16 * 2**20
MAX_RANK = 16
HALF, SINGLE = np.dtype("<f2"), np.dtype("<f4")
DTYPES: dict[str, np.dtype] = {"U8": np.dtype(np.uint8), "F16": HALF, "F32": SINGLE}

Tensors = dict[str, np.ndarray]


class FormatError(ValueError):
    """A file is not a lowbit network, or was damaged or altered. The message says where."""


def demand(condition: bool, rule: str) -> None:
    if not condition:
        raise FormatError(rule)


def payload_bytes(type_: TensorType) -> int:
    """What a constant takes in the file, or would at most if its values are not known."""
    count = math.prod(type_.shape)
    if halved(type_):
        return count * HALF.itemsize
    if type_.value is not None and (rows := lines.packed(type_.value, type_.spec)) is not None:
        return rows.nbytes
    return bits.size(count, type_.spec) if type_.spec else count * SINGLE.itemsize


def stored(type_: TensorType) -> np.ndarray:
    """A constant as the file has it: codes as uint8, floats as such; in rows of uint8 where `lines`
    are shorter."""
    assert type_.value is not None
    if halved(type_):
        return type_.value.astype(HALF)
    if (rows := lines.packed(type_.value, type_.spec)) is not None:
        return rows
    return type_.value if type_.spec is None else bits.packed(type_.value, type_.spec)


def halved(type_: TensorType) -> bool:
    """Whether half precision holds every value: matrices of floats are then stored in it."""
    if type_.spec is not None or type_.value is None or len(type_.shape) < 2:
        return False
    with np.errstate(over="ignore"):
        return bool((type_.value.astype(HALF) == type_.value).all())


def join(text: str, tensors: Tensors) -> bytes:
    return to_bytes(tensors, {KEY: digest(text, tensors) + text})


def split(data: bytes) -> tuple[str, Tensors]:
    """The graph's JSON and the tensors, once their hash is known to be right."""
    entry = metadata_entry(data)
    claimed, text = entry[:DIGITS], entry[DIGITS:]
    try:
        tensors = {name: tensor(stored) for name, stored in safetensors.deserialize(data)}
    except safetensors.SafetensorError as error:
        raise FormatError(f"not a safetensors file: {error}") from None
    demand(digest(text, tensors) == claimed, "the payload's hash differs: damaged or altered")
    return text, tensors


def digest(text: str, tensors: Tensors) -> str:
    state = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        state.update(f"\n{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        state.update(np.ascontiguousarray(tensors[name]).tobytes())
    return state.hexdigest()


LONG = f"the header is longer than {MAX_HEADER} bytes"


def metadata_entry(data: bytes) -> str:
    demand(len(data) >= 8, "the file is truncated")
    length = int.from_bytes(data[:8], "little")
    demand(length <= MAX_HEADER, f"not a safetensors file: {LONG}")
    demand(length <= len(data) - 8, "the file is truncated, or not a safetensors file")
    header = decode(data[8 : 8 + length], "header")
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not isinstance(entry := metadata.get(KEY), str):
        raise FormatError("no lowbit network in it (a plain safetensors file?)")
    demand(len(metadata) == 1, f"its only metadata is {KEY!r}")
    return entry


def decode(text: str | bytes, what: str) -> object:
    """JSON without repeated keys."""
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the {what} is not valid JSON: {error}") from None


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def tensor(stored: dict) -> np.ndarray:
    dtype, shape = stored["dtype"], stored["shape"]
    demand(dtype in DTYPES, f"a tensor is U8, F16 or F32, not {dtype}")
    demand(len(shape) <= MAX_RANK and all(s >= 1 for s in shape), f"{shape!s:.80} is no shape")
    return np.frombuffer(bytes(stored["data"]), DTYPES[dtype]).reshape(shape)
