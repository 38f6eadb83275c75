"""What the codes of a graph are worth: scale and zero point of every 8-bit tensor."""

from typing import NamedTuple

from lowbit.ir import Graph, Node, ops


class Worth(NamedTuple):
    """real = scale (q - zero_point)"""

    scale: float
    zero_point: int


KEEPS = (ops.MaxPool, ops.MeanCodes, ops.Reshape, ops.Transpose, ops.Concat)


def recodes_input(node: Node, graph: Graph) -> bool:
    """Whether it does no more than say what the codes of a graph's input are worth."""
    return (
        isinstance(node.op, ops.RequantizeD | ops.RequantizeF)
        and node.inputs[0] in graph.inputs
        and node.op.input_scale == node.op.scale
    )


def worths(graph: Graph) -> dict[str, Worth]:
    known: dict[str, Worth] = {}
    for node in graph.nodes:
        if isinstance(node.op, KEEPS) and node.inputs[0] in known:
            known[node.output] = known[node.inputs[0]]
        elif hasattr(node.op, "scale") and hasattr(node.op, "zero_point"):
            known[node.output] = Worth(node.op.scale, node.op.zero_point)
        if recodes_input(node, graph):
            bias = int(graph.constant(node.inputs[1])[0])
            known[node.inputs[0]] = Worth(node.op.scale, -bias)  # type: ignore[attr-defined]
    return known
