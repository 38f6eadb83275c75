"""Passes over the graph, each leaving what it computes unchanged to the bit."""

from dataclasses import replace

import numpy as np

from lowbit.ir import Graph, Node, TensorType, ops, verify

# Operators on vectors that a permutation of their input's features passes through.
ELEMENTWISE = (ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Relu, ops.Clamp, ops.PRelu, ops.Threshold)


def simplify(graph: Graph) -> Graph:
    for name in [n.output for n in graph.nodes]:
        graph = flatten_in_place(graph, name)
    return drop_unused(graph)


def drop_unused(graph: Graph) -> Graph:
    used = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in used:
            kept.append(node)
            used.update(node.inputs)
    constants = {n: t for n, t in graph.constants.items() if n in used}
    return replace(graph, constants=constants, nodes=tuple(kept[::-1]))


def flatten_in_place(graph: Graph, name: str) -> Graph:
    """Reshape(Transpose(x)) to a vector, feeding linear layers: permute their weights instead.

    torch flattens (C, H, W); the graph holds (H, W, C). If all that the vector meets, through
    elementwise operators, is linear layers, x is flattened as it lies and their columns move.
    """
    by_output = {n.output: n for n in graph.nodes}
    flat = by_output[name]
    moved = by_output.get(flat.inputs[0])
    if not isinstance(flat.op, ops.Reshape) or len(flat.op.shape) != 1:
        return graph
    if moved is None or not isinstance(moved.op, ops.Transpose):
        return graph
    region = vector_region(graph, name)
    if region is None:
        return graph
    types = verify(graph)
    shape = types[moved.inputs[0]].shape
    order = np.arange(np.prod(shape)).reshape(shape).transpose(moved.op.permutation).reshape(-1)
    back = np.argsort(order)  # back[j]: the torch feature that lies at place j of x
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        if node is flat:
            node = replace(node, inputs=moved.inputs)
        elif node.output in region:
            node = permute_constants(node, graph, constants, back)
        nodes.append(node)
    return replace(graph, constants=constants, nodes=tuple(nodes))


def vector_region(graph: Graph, name: str) -> set[str] | None:
    """The nodes that the vector reaches, ending in linear layers; None if it reaches others."""
    inside, region = {name}, set()
    for node in graph.nodes:
        touched = inside.intersection(node.inputs)
        if not touched:
            continue
        others = [i for i in node.inputs if i not in inside and i not in graph.constants]
        if others or not isinstance(node.op, (ops.Linear, *ELEMENTWISE)):
            return None
        region.add(node.output)
        if not isinstance(node.op, ops.Linear):
            inside.add(node.output)
    return None if inside.intersection(graph.outputs) else region


def permute_constants(node: Node, graph: Graph, constants: dict, back: np.ndarray) -> Node:
    """The node with each constant that has an entry a feature reordered; linear columns last."""
    inputs = []
    for operand in node.inputs:
        type_ = graph.constants.get(operand)
        axis = feature_axis(node, type_, len(back))
        if type_ is None or axis is None:
            inputs.append(operand)
            continue
        name = f"{operand}.flat"
        value = np.ascontiguousarray(graph.constant(operand).take(back, axis))
        constants[name] = TensorType(value.shape, type_.spec, value)
        inputs.append(name)
    return replace(node, inputs=tuple(inputs))


def feature_axis(node: Node, type_: TensorType | None, features: int) -> int | None:
    """Which axis of a constant counts features: columns of weights, rows of thresholds."""
    if type_ is None:
        return None
    if isinstance(node.op, ops.Linear):
        return 1
    return 0 if type_.shape[:1] == (features,) else None
