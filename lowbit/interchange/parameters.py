"""What the codes of a graph are worth: scale and zero point of every 8-bit tensor."""

from lowbit.ir import Graph, Node, ops
from lowbit.ir.ops.softmax import SOFTMAX
from lowbit.spec import Parameters

MOVES = (ops.Reshape, ops.Transpose, ops.Concat, ops.Slice, ops.Pad, ops.Spread, ops.ResizeNearest)
REQUANTIZE = (ops.RequantizeD, ops.RequantizeF, ops.RequantizeWide)
KEEPS = (ops.MaxPool, ops.MeanCodes, *MOVES)


def recodes_input(node: Node, graph: Graph) -> bool:
    """Whether it does no more than say what the codes of a graph's input are worth."""
    return (
        isinstance(node.op, ops.RequantizeD | ops.RequantizeF)
        and node.inputs[0] in graph.inputs
        and node.op.input_scale == node.op.to.scale
    )


def worths(graph: Graph) -> dict[str, Parameters]:
    known: dict[str, Parameters] = {}
    for node in graph.nodes:
        if isinstance(node.op, ops.Lookup):
            known[node.output] = read_as(graph, node.output)
        elif isinstance(node.op, KEEPS) and node.inputs[0] in known:
            known[node.output] = known[node.inputs[0]]
        elif isinstance(node.op, ops.SoftmaxD | ops.SoftmaxF):
            known[node.output] = SOFTMAX.parameters
        elif hasattr(node.op, "to"):
            known[node.output] = node.op.to.parameters
        if recodes_input(node, graph):
            bias = int(graph.constant(node.inputs[1])[0])
            known[node.inputs[0]] = Parameters(node.op.to.scale, -bias)  # type: ignore[attr-defined]
    return known


def read_as(graph: Graph, name: str) -> Parameters:
    """What a table's codes are worth, as the first node that minds takes them.

    Where none says, as with a product of codes without padding, whose zero point is in the bias,
    any worth will do.
    """
    for node in graph.nodes:
        if name not in node.inputs:
            continue
        found = reading(graph, node, node.inputs.index(name))
        if found is not None:
            return found
    return Parameters(1.0, 0)


def reading(graph: Graph, node: Node, place: int) -> Parameters | None:
    """What `node` takes the codes of one operand to be worth; None if it does not mind."""
    op = node.op
    if isinstance(op, KEEPS):
        return read_as(graph, node.output)
    if isinstance(op, ops.AddD | ops.AddF):
        return (op.a, op.b)[place]
    if isinstance(op, ops.Sub) and node.inputs[1] in graph.constants:
        return Parameters(
            dequantizing_scale(graph, node), int(graph.constant(node.inputs[1]).item())
        )
    after = next((n for n in graph.nodes if node.output in n.inputs), None)
    if isinstance(op, ops.Byte):
        return reading(graph, after, 0) if after else None
    if after is None or not isinstance(after.op, REQUANTIZE):
        return None
    if isinstance(op, ops.MulCodes):
        factor = float(graph.constant(after.inputs[2])[0])
        return Parameters((after.op.input_scale, factor)[place], op.zeros[place])
    padded = isinstance(op, ops.Conv) and any(map(any, op.padding))
    return Parameters(after.op.input_scale, op.pad_value if padded else 0)  # type: ignore[attr-defined]


def dequantizing_scale(graph: Graph, node: Node) -> float:
    factors = (n.inputs[1] for n in graph.nodes if node.output == n.inputs[0])
    return float(graph.constant(next(factors)).item())
