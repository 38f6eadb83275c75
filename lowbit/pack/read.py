"""From a file to a verified graph. FormatError is all that hostile bytes can cause."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lowbit.ir import Graph, InvalidGraph, TensorType, verify
from lowbit.pack import bits, lines, schema
from lowbit.pack.container import (
    HALF,
    SINGLE,
    FormatError,
    Tensors,
    decode,
    demand,
    halved,
    split,
)

KEYS = {"format", "inputs", "constants", "nodes", "outputs", "notes"}
MAX_FILE = 2 * 2**30
MAX_NODES = 10_000
MAX_CONSTANTS = 100_000
MAX_MEMORY = 2 * 2**30  # bytes of activations a sample, and of unpacked constants


def load(path: str | Path) -> Graph:
    """The verified graph of a file. Raises FormatError, or OSError if it cannot be read."""
    try:
        demand(Path(path).stat().st_size <= MAX_FILE, f"more than {MAX_FILE} bytes")
        return parse(Path(path).read_bytes())
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def parse(data: bytes) -> Graph:
    """Bytes to a verified graph; raises FormatError and nothing else."""
    text, tensors = split(data)
    graph = graph_of(decode(text, "graph"), tensors)
    try:
        types = verify(graph)
    except InvalidGraph as error:
        raise FormatError(f"{error!s:.500}") from None
    demand_memory(types.values(), "its tensors")
    return graph


def graph_of(text: object, tensors: Tensors) -> Graph:
    if not isinstance(text, dict) or "format" not in text:
        raise FormatError("the graph has a format version")
    demand(repr(text["format"]) == repr(schema.FORMAT), unknown_version(text["format"]))
    demand(set(text) == KEYS, f"the graph has the keys {sorted(KEYS)}")
    nodes = schema.items(text["nodes"], "nodes")
    demand(len(nodes) <= MAX_NODES, f"at most {MAX_NODES} nodes")
    return Graph(
        named_types(text["inputs"], "inputs"),
        constants(named_types(text["constants"], "constants"), tensors),
        tuple(map(schema.node, nodes)),
        schema.strings(text["outputs"], "outputs"),
        schema.strings(text["notes"], "notes"),
    )


def unknown_version(version: object) -> str:
    return f"format {version!r:.40} is not known to this lowbit, only {schema.FORMAT}"


def named_types(value: object, what: str) -> dict[str, TensorType]:
    entries = schema.items(value, what)
    demand(len(entries) <= MAX_CONSTANTS, f"at most {MAX_CONSTANTS} {what}")
    types = dict(map(schema.tensor_type, entries))
    demand(len(types) == len(entries), f"{what} have names of their own")
    return types


def constants(declared: dict[str, TensorType], tensors: Tensors) -> dict[str, TensorType]:
    demand(set(declared) == set(tensors), "the tensors are the constants that the graph declares")
    demand_memory(declared.values(), "its constants")
    return {name: constant(name, t, tensors[name]) for name, t in declared.items()}


def constant(name: str, type_: TensorType, data: np.ndarray) -> TensorType:
    """A row of bytes is a stream of bits; rows of bytes are lines, of codes or of floats."""
    in_rows = data.dtype == np.uint8 and data.ndim == 2
    if type_.spec is None and not in_rows:
        return floats(name, type_, data)
    demand(data.dtype == np.uint8, f"{name!r:.80} is stored as bytes")
    try:
        values = (lines if in_rows else bits).unpacked(data, type_.shape, type_.spec)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{name!r:.80}: {error}") from None
    return TensorType(
        type_.shape, type_.spec, values.reshape(type_.shape).astype(type_.dtype, copy=False)
    )


def floats(name: str, type_: TensorType, data: np.ndarray) -> TensorType:
    """Stored in half precision where that loses nothing, and only there."""
    demand(data.dtype in (HALF, SINGLE), f"{name!r:.80} is stored as floats")
    demand(data.shape == type_.shape, f"{name!r:.80} has its declared shape")
    found = TensorType(type_.shape, None, data.astype(SINGLE))
    half = data.dtype == HALF
    demand(not half or halved(found), f"{name!r:.80} is stored in the precision that it needs")
    return found


def demand_memory(types: Iterable[TensorType], what: str) -> None:
    total = sum(4 * math.prod(t.shape) for t in types)
    demand(total <= MAX_MEMORY, f"{what} take {total} bytes, more than {MAX_MEMORY}")
