"""Which nodes run as one step: a root, and a chain of elementwise nodes on what it computes.

A chain goes on from a tensor into its first elementwise consumer whose other operands are
already there; the tensor is stored besides if somebody else reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lowbit.ir import Graph, Node, TensorType
from lowbit.ir.ops import (
    Abs,
    Add,
    Clamp,
    Div,
    Exp,
    Lookup,
    Mul,
    PRelu,
    Relu,
    Sigmoid,
    Sqrt,
    Sub,
    Threshold,
)
from lowbit.kernels.limit import Limit
from lowbit.runtime import eight_bit

FUNCTIONS = (Abs, Clamp, Exp, Lookup, PRelu, Relu, Sigmoid, Sqrt, Threshold)
ELEMENTWISE = (Add, Div, Mul, Sub, *FUNCTIONS, *eight_bit.OPS)
# These take the chain as first operand only.
NOT_FIRST = (*FUNCTIONS, *eight_bit.UNARY, eight_bit.RequantizeWide)


@dataclass
class Group:
    """`chain` holds (node, the tensor that comes along the chain); the root is not in it unless
    it is elementwise itself."""

    root: Node
    chain: list[tuple[Node, str]]

    @property
    def nodes(self) -> list[Node]:
        own = [node for node, _ in self.chain]
        return own if own and own[0] is self.root else [self.root, *own]


def live(graph: Graph) -> list[Node]:
    """The nodes that an output depends on."""
    needed, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    return kept[::-1]


def groups(graph: Graph, types: Mapping[str, TensorType], fuse: bool = True) -> list[Group]:
    nodes = live(graph)
    consumers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.inputs):
            consumers.setdefault(name, []).append(node)
    ready, taken, result = {*graph.inputs, *graph.constants}, set(), []

    def next_in(name: str) -> Node | None:
        for node in consumers.get(name, ()):
            if node.output in taken or not isinstance(node.op, ELEMENTWISE):
                continue
            first_only = isinstance(node.op, NOT_FIRST)
            others = node.inputs[1:] if node.inputs[0] == name else node.inputs[:1]
            if (
                types[node.output].shape == types[name].shape
                and set(others) <= ready
                and not (first_only and node.inputs[0] != name)
            ):
                return node
        return None

    for root in nodes:
        if root.output in taken:
            continue
        chain = []
        if isinstance(root.op, ELEMENTWISE):
            chain.append((root, carried(root, graph, types)))
        current = root
        while True:
            taken.add(current.output)
            ready.add(current.output)
            follower = next_in(current.output) if fuse else None
            if follower is None:
                break
            chain.append((follower, current.output))
            current = follower
        result.append(Group(root, chain))
    return result


def carried(node: Node, graph: Graph, types: Mapping[str, TensorType]) -> str:
    """The operand that a chain starting with this node loads: one of the result's shape."""
    moving = [name for name in node.inputs if name not in graph.constants]
    whole = [name for name in moving if types[name].shape == types[node.output].shape]
    if not moving:
        raise Limit(f"{node}: all operands are constants")
    return (whole or moving)[0]
