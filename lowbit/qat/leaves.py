"""Low-bit layers inside a captured program: in training they run as the modules that they are.

What torch.export records of them has no gradients and no schedules. Their operations are found by
the module that ran them, and stand for one call.
"""

from dataclasses import dataclass

from torch import nn
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.exporter.errors import refuse
from lowbit.nn.product import QuantizedProduct


@dataclass(frozen=True)
class Leaf:
    """A call of the module `path`: what it reads, and the operation whose value it returns."""

    path: str
    input: Node
    output: Node
    inside: frozenset[Node]


def leaves(model: nn.Module, captured: Captured) -> list[Leaf]:
    paths = {
        name
        for name, module in model.named_modules()
        if isinstance(module, QuantizedProduct) and not module.is_float
    }
    calls: dict[str, list[Node]] = {}
    for node in captured.operations:
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            if path.split("@")[0] in paths:
                calls.setdefault(path, []).append(node)
    return [leaf(path, nodes, captured) for path, nodes in calls.items()]


def leaf(path: str, nodes: list[Node], captured: Captured) -> Leaf:
    inside = frozenset(nodes)
    read = {
        n
        for node in nodes
        for n in node.all_input_nodes
        if n not in inside and n not in captured.constants
    }
    outside = [n for n in nodes if n in captured.outputs or any(u not in inside for u in n.users)]
    if len(read) != 1 or len(outside) != 1:
        raise refuse(nodes[0], "a low-bit layer reads one tensor and gives one")
    return Leaf(path.split("@")[0], read.pop(), outside[0], inside)
