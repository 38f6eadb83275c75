"""Runs a graph by its operators' definitions. Slow, and right: the runtime is tested against it."""

import numpy as np

from lowbit.ir.graph import Graph
from lowbit.ir.verify import verify


def evaluate(graph: Graph, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """The outputs for a batch: one array an input, (batch, *shape), codes or float32."""
    values = trace(graph, *inputs)
    return tuple(values[name] for name in graph.outputs)


def trace(graph: Graph, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of the graph, by name."""
    types = verify(graph)
    values = {name: graph.constant(name) for name in graph.constants}
    for (name, type_), value in zip(graph.inputs.items(), inputs, strict=True):
        if value.shape[1:] != type_.shape:
            raise ValueError(f"input {name} has shape {value.shape[1:]}, not {type_.shape}")
        values[name] = value.astype(type_.dtype)
    for node in graph.nodes:
        result = node.op.evaluate(*(values[name] for name in node.inputs))
        values[node.output] = result.astype(types[node.output].dtype)
    return values
