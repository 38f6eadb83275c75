"""Does the file compute what the model computes? Bit for bit, tensor by tensor.

The model is captured again; every tensor of the graph that stands for a node of the captured
program is compared with what torch computes there, and the runtime's outputs with torch's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lowbit import pack
from lowbit.exporter import rules as rules
from lowbit.exporter.capture import Captured, capture
from lowbit.exporter.lower import Lowering, Value
from lowbit.exporter.simplify import simplify
from lowbit.ir import Graph
from lowbit.ir.evaluate import trace
from lowbit.runtime import Network
from lowbit.tables import render

STANDS_FOR_ITS_INPUT = {torch.ops.aten.pad.default}  # until a convolution takes it in


@dataclass
class Agreement:
    """One tensor over all the data: how many values there are, and how many differ."""

    tensor: str
    module: str
    values: int = 0
    different: int = 0
    largest: float = 0.0

    def add(self, ours: np.ndarray, torchs: np.ndarray) -> None:
        wrong = ours != torchs
        self.values += wrong.size
        self.different += int(wrong.sum())
        if wrong.any():
            gap = np.abs(ours.astype(np.float64) - torchs.astype(np.float64)).max()
            self.largest = max(self.largest, float(gap))


@dataclass
class Report:
    """`same_graph`: exporting the model again gives the file's very bytes."""

    tensors: list[Agreement]
    same_graph: bool
    samples: int
    equal_samples: int
    notes: tuple[str, ...]

    @property
    def exact(self) -> bool:
        return self.same_graph and not any(t.different for t in self.tensors)

    def __str__(self) -> str:
        rows = [[t.tensor, t.module, t.values, t.different, f"{t.largest:g}"] for t in self.tensors]
        head = f"{self.equal_samples} of {self.samples} samples have equal outputs"
        if not self.same_graph:
            head += "; the model exports to a DIFFERENT graph than the file holds"
        table = render(["tensor", "module", "values", "different", "largest gap"], rows, head)
        return "\n".join([table, *self.notes])


def verify(
    model: nn.Module, file: str | Path, data: Tensor | Iterable, tensors: int = 32
) -> Report:
    """Compares a model in evaluation mode with its exported file.

    `data` is a batch of inputs, or an iterable of batches (of which a tuple's first item is the
    input). Outputs are compared on all of it, with the runtime; inner tensors, by the graph's
    definitions, on the first `tensors` samples.
    Raises FormatError for a damaged file and ExportError for a model that does not export.
    """
    graph = pack.load(file)
    network = Network(graph)
    report = None
    for batch in [data] if isinstance(data, Tensor) else data:
        x = batch if isinstance(batch, Tensor) else batch[0]
        if report is None:
            captured = capture(model, (x,))
            lowering = Lowering(captured)
            raw = lowering.graph()
            same = pack.serialize(simplify(raw)) == pack.serialize(graph)
            inner = compare_inner(raw, captured, lowering, x[:tensors]) if same else []
            report = Report(inner, same, 0, 0, graph.notes)
        add_outputs(report, model, network, x)
    if report is None:
        raise ValueError("verify was given no data")
    return report


def add_outputs(report: Report, model: nn.Module, network: Network, x: Tensor) -> None:
    with torch.no_grad():
        expected = as_tuple(model(x))
    found = as_tuple(network(x.numpy()))
    equal = np.ones(len(x), bool)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        name = f"output {i}"
        row = next((t for t in report.tensors if t.tensor == name), None)
        if row is None:
            report.tensors.append(row := Agreement(name, "(runtime)"))
        row.add(a, b.numpy())
        equal &= (a == b.numpy()).reshape(len(x), -1).all(1)
    report.samples += len(x)
    report.equal_samples += int(equal.sum())


def as_tuple(outputs) -> tuple:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def compare_inner(
    graph: Graph, captured: Captured, lowering: Lowering, x: Tensor
) -> list[Agreement]:
    """Each graph tensor that is a captured node's value, against torch's value of it."""
    ours = trace(graph, x.numpy())
    theirs = run(captured, x)
    sources = {node.output: node.source for node in graph.nodes}
    result = []
    for node, value in lowering.values.items():
        if value.name in sources and node in theirs and node.target not in STANDS_FOR_ITS_INPUT:
            row = Agreement(value.name, sources[value.name])
            row.add(ours[value.name], graph_layout(theirs[node], value))
            result.append(row)
    return result


def graph_layout(tensor: Tensor, value: Value) -> np.ndarray:
    array = tensor.numpy().transpose(0, *(a + 1 for a in value.axes))
    return array.reshape(len(array), *value.shape)


def run(captured: Captured, x: Tensor) -> dict:
    """Every captured operation's value, computed by torch."""
    values = {captured.inputs[0]: x, **captured.constants}
    with torch.no_grad():
        for node in captured.operations:
            args = torch.fx.map_arg(node.args, lambda n: copied(values[n]))
            kwargs = torch.fx.map_arg(node.kwargs, lambda n: copied(values[n]))
            operation: Any = node.target
            values[node] = operation(*args, **kwargs)
    return values


def copied(value):
    """In-place operations must not reach the values that are compared."""
    return value.clone() if isinstance(value, Tensor) else value
