"""One .safetensors file holds a graph: codes packed to their alphabets' bits, the rest as JSON.

Layout: the metadata has one entry (safetensors writes several in no fixed order), "lowbit": 64 hex
digits, the sha256 of what follows and of every tensor, and the graph as canonical JSON. A constant of codes is stored as bytes: the indices (code - lo) / step, max(bits,
1) bits each, least significant first, one behind the other, the last byte filled with zeros.
Nothing is pickled, executed, or looked up by a path or an import named in the file.

A file is hostile until verified: sizes are checked before anything is allocated, the closed set
of operators is all a file can name, and only FormatError leaves `parse`.
"""

import dataclasses
import hashlib
import json
import math
import os
import tempfile
import typing
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from lowbit.ir import OPS, Graph, InvalidGraph, Node, TensorType, verify
from lowbit.spec import QuantSpec

FORMAT = 1
DIGITS = 64  # of a sha256
MAX_HEADER = 16 * 2**20
MAX_NODES = 10_000
MAX_CONSTANTS = 100_000
MAX_MEMORY = 2 * 2**30  # bytes of activations a sample, and of unpacked constants
LARGEST = 2**31


class FormatError(ValueError):
    """A file is not a lowbit network, or was damaged or altered. The message says where."""


def save(graph: Graph, path: str | Path) -> None:
    """Writes the file beside its final name and moves it there: a crash leaves no half file."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(serialize(graph))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def load(path: str | Path) -> Graph:
    """The verified graph of a file. Raises FormatError, or OSError if it cannot be read."""
    try:
        return parse(Path(path).read_bytes())
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def serialize(graph: Graph) -> bytes:
    """The file's bytes; the same graph gives the same bytes."""
    verify(graph)
    tensors = {name: stored(type_) for name, type_ in graph.constants.items()}
    text = json.dumps(describe(graph), sort_keys=True, separators=(",", ":"))
    return to_bytes(tensors, {"lowbit": digest(text, tensors) + text})


def payload_bytes(type_: TensorType) -> int:
    """What a constant takes in the file."""
    elements = math.prod(type_.shape)
    return 4 * elements if type_.spec is None else -(-elements * width(type_.spec) // 8)


def width(spec: QuantSpec) -> int:
    return max(spec.bits, 1)


def stored(type_: TensorType) -> np.ndarray:
    assert type_.value is not None
    if type_.spec is None:
        return type_.value
    index = (type_.value.reshape(-1).astype(np.int64) - type_.spec.lo) // type_.spec.step
    bits = (index[:, None] >> np.arange(width(type_.spec))) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def digest(text: str, tensors: dict[str, np.ndarray]) -> str:
    state = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        state.update(f"\n{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        state.update(np.ascontiguousarray(tensors[name]).tobytes())
    return state.hexdigest()


def describe(graph: Graph) -> dict:
    return {
        "format": FORMAT,
        "inputs": [[name, *described(t)] for name, t in graph.inputs.items()],
        "constants": [[name, *described(t)] for name, t in sorted(graph.constants.items())],
        "nodes": [
            [n.op.name, dataclasses.asdict(n.op), n.inputs, n.output, n.source]  # type: ignore[call-overload, attr-defined]
            for n in graph.nodes
        ],
        "outputs": graph.outputs,
        "notes": graph.notes,
    }


def described(type_: TensorType) -> tuple:
    spec = type_.spec
    return type_.shape, spec and (spec.lo, spec.hi, spec.step)


# Reading: every line below distrusts its input.


def demand(condition: bool, rule: str) -> None:
    if not condition:
        raise FormatError(rule)


def parse(data: bytes) -> Graph:
    """Bytes to a verified graph; raises FormatError and nothing else."""
    text, claimed = metadata_of(data)
    try:
        tensors = {name: tensor(entry) for name, entry in safetensors.deserialize(data)}
    except safetensors.SafetensorError as error:
        raise FormatError(f"not a safetensors file: {error}") from None
    demand(digest(text, tensors) == claimed, "the payload's hash differs: damaged or altered")
    description = decode(text, "graph")
    try:
        graph = undescribe(description, tensors)
        types = verify(graph)
    except InvalidGraph as error:
        raise FormatError(str(error)) from None
    total = sum(4 * math.prod(t.shape) for t in types.values())
    demand(total <= MAX_MEMORY, f"it needs {total} bytes a sample, more than {MAX_MEMORY}")
    return graph


def metadata_of(data: bytes) -> tuple[str, str]:
    demand(len(data) >= 8, "the file is truncated")
    length = int.from_bytes(data[:8], "little")
    demand(
        length <= min(MAX_HEADER, len(data) - 8), "the header is longer than the file, or 16 MiB"
    )
    header = decode(data[8 : 8 + length], "header")
    demand(isinstance(header, dict), "the header is an object")
    metadata = header.get("__metadata__")
    demand(
        isinstance(metadata, dict) and isinstance(metadata.get("lowbit"), str),
        "no lowbit network in it (a plain safetensors file?)",
    )
    entry = metadata["lowbit"]
    return entry[DIGITS:], entry[:DIGITS]


def decode(text: str | bytes, what: str):
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the {what} is not valid JSON: {error}") from None


def unique(pairs: list[tuple[str, object]]) -> dict:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def tensor(entry: dict) -> np.ndarray:
    dtypes = {"U8": np.dtype(np.uint8), "F32": np.dtype("<f4")}
    demand(entry["dtype"] in dtypes, f"a tensor is U8 or F32, not {entry['dtype']}")
    return np.frombuffer(bytes(entry["data"]), dtypes[entry["dtype"]]).reshape(entry["shape"])


def undescribe(text: object, tensors: dict[str, np.ndarray]) -> Graph:
    keys = {"format", "inputs", "constants", "nodes", "outputs", "notes"}
    demand(isinstance(text, dict) and "format" in text, "the graph has a format version")
    assert isinstance(text, dict)
    demand(text["format"] == FORMAT, f"format {text['format']!r:.40} is not known, only {FORMAT}")
    demand(set(text) == keys, f"the graph has the keys {sorted(keys)}")
    demand(all(isinstance(text[k], list) for k in keys - {"format"}), "its parts are lists")
    demand(len(text["nodes"]) <= MAX_NODES, f"at most {MAX_NODES} nodes")
    demand(len(text["constants"]) <= MAX_CONSTANTS, f"at most {MAX_CONSTANTS} constants")
    names, notes = strings(text["outputs"], "outputs"), strings(text["notes"], "notes")
    inputs = dict(type_of(entry) for entry in text["inputs"])
    declared = dict(type_of(entry) for entry in text["constants"])
    demand(len(inputs) == len(text["inputs"]), "inputs have names of their own")
    demand(set(declared) == set(tensors), "the tensors are the constants that the graph declares")
    total = sum(4 * math.prod(t.shape) for t in declared.values())
    demand(total <= MAX_MEMORY, f"constants unpack to {total} bytes, more than {MAX_MEMORY}")
    constants = {name: unpacked(name, t, tensors[name]) for name, t in declared.items()}
    return Graph(inputs, constants, tuple(map(node_of, text["nodes"])), names, notes)


def strings(values: object, what: str) -> tuple[str, ...]:
    demand(
        isinstance(values, list) and all(isinstance(v, str) and len(v) <= 4096 for v in values),
        f"{what} are a list of text",
    )
    assert isinstance(values, list)
    return tuple(values)


def integers(values: object, what: str) -> tuple[int, ...]:
    demand(
        isinstance(values, list)
        and len(values) <= 16
        and all(type(v) is int and abs(v) <= LARGEST for v in values),
        f"{what} are a short list of integers",
    )
    assert isinstance(values, list)
    return tuple(values)


def type_of(entry: object) -> tuple[str, TensorType]:
    demand(isinstance(entry, list) and len(entry) == 3, "a tensor is a name, a shape and a spec")
    assert isinstance(entry, list)
    (name,) = strings(entry[:1], "names")
    shape = integers(entry[1], f"sides of {name!r:.80}")
    demand(all(s >= 1 for s in shape), f"sides of {name!r:.80} are positive")
    if entry[2] is None:
        return name, TensorType(shape, None)
    spec = integers(entry[2], f"the spec of {name!r:.80}")
    demand(len(spec) == 3, f"the spec of {name!r:.80} is lo, hi, step")
    try:
        return name, TensorType(shape, QuantSpec(*spec))
    except ValueError as error:
        raise FormatError(f"{name!r:.80}: {error}") from None


def unpacked(name: str, type_: TensorType, data: np.ndarray) -> TensorType:
    expected = np.float32 if type_.spec is None else np.uint8
    demand(data.dtype == expected, f"{name!r:.80} is stored as {np.dtype(expected)}")
    demand(data.nbytes == payload_bytes(type_), f"{name!r:.80} has the bytes of its shape")
    if type_.spec is None:
        demand(data.shape == type_.shape, f"{name!r:.80} has its declared shape")
        return TensorType(type_.shape, None, data)
    count, bits = math.prod(type_.shape), width(type_.spec)
    planes = np.unpackbits(data, bitorder="little")
    demand(not planes[count * bits :].any(), f"{name!r:.80} fills its last byte with zeros")
    index = np.zeros(count, np.int64)
    for i in range(bits):
        index |= planes[i : count * bits : bits].astype(np.int64) << i
    demand(bool((index < type_.spec.levels).all()), f"{name!r:.80} keeps to {type_.spec}")
    try:
        codes = (type_.spec.lo + type_.spec.step * index).astype(type_.dtype)
    except OverflowError as error:
        raise FormatError(f"{name!r:.80}: {error}") from None
    return TensorType(type_.shape, type_.spec, codes.reshape(type_.shape))


def node_of(entry: object) -> Node:
    demand(
        isinstance(entry, list) and len(entry) == 5,
        "a node is op, attributes, inputs, output, source",
    )
    assert isinstance(entry, list)
    name, attributes, inputs, output, source = entry
    (name, output, source) = strings([name, output, source], "a node's names")
    demand(name in OPS, f"no operator {name!r:.80}: the file is from a newer lowbit, or altered")
    cls = OPS[name]
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    demand(
        isinstance(attributes, dict) and set(attributes) == set(fields),
        f"{name} has the attributes {sorted(fields)}",
    )
    values = {k: attribute(v, fields[k], f"{name}.{k}") for k, v in attributes.items()}
    return Node(cls(**values), strings(inputs, "operands"), output, source)


def attribute(value: object, hint: object, where: str):
    """An attribute of exactly the kind that the operator declares."""
    if hint is int:
        return integers([value], where)[0]
    if hint is float:
        demand(type(value) in (int, float) and math.isfinite(value), f"{where} is a number")  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    demand(isinstance(value, list) and len(value) <= 16, f"{where} is a short list")
    assert isinstance(value, list)
    if hint == tuple[int, ...]:
        return integers(value, where)
    pairs = tuple(integers(v, where) for v in value)
    demand(all(len(p) == 2 for p in pairs), f"{where} are pairs")
    return pairs
