"""From a graph to a file. The same graph gives the same bytes."""

import dataclasses
import json
import typing
from pathlib import Path

from lowbit import atomic
from lowbit.ir import Graph, Node, TensorType, verify
from lowbit.pack import container
from lowbit.pack.read import parse
from lowbit.pack.schema import FORMAT, NAMED, attribute_types


def save(graph: Graph, path: str | Path) -> None:
    """The file is whole, or not there: a crash leaves no half of it."""
    atomic.write(path, serialize(graph))


def serialize(graph: Graph) -> bytes:
    """The file's bytes, read back once: what `parse` would refuse is never written."""
    verify(graph)
    text = json.dumps(describe(graph), sort_keys=True, separators=(",", ":"))
    tensors = {name: container.stored(type_) for name, type_ in graph.constants.items()}
    data = container.join(text, tensors)
    parse(data)
    return data


def describe(graph: Graph) -> dict[str, object]:
    return {
        "format": FORMAT,
        "inputs": [[name, *described(t)] for name, t in graph.inputs.items()],
        "constants": [[name, *described(t)] for name, t in sorted(graph.constants.items())],
        "nodes": [node(n) for n in graph.nodes],
        "outputs": graph.outputs,
        "notes": graph.notes,
    }


def described(type_: TensorType) -> tuple[object, object]:
    return type_.shape, type_.spec and dataclasses.astuple(type_.spec)


def node(n: Node) -> list[object]:
    kinds = attribute_types(type(n.op))
    values = {name: attribute(getattr(n.op, name), kind) for name, kind in kinds}
    return [n.op.name, values, n.inputs, n.output, n.source]


def attribute(value: object, kind: object) -> object:
    """Floats as such, even where the operator holds an int or a numpy number."""
    if kind is float:
        return float(value)  # type: ignore[arg-type]
    if kind in NAMED:
        kinds = typing.get_type_hints(kind).values()
        return [attribute(v, k) for v, k in zip(value, kinds, strict=True)]  # type: ignore[call-overload]
    return value
