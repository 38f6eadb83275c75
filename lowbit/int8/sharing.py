"""Which operations run as one, and which tensors have one scale and zero point.

An activation that clamps runs in the requantization of what it reads. What moves values about
(pooling included, as in TensorFlow Lite) keeps the parameters of its input, and what is put side
by side has the parameters of the whole.
"""

import operator

import torch
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.capture import Captured
from lowbit.exporter.rules.part import whole_of
from lowbit.exporter.rules.place import BILINEAR, NEAREST
from lowbit.int8.fold import PRODUCTS, TRANSPOSED

aten = torch.ops.aten
INF = float("inf")

# Activations that clamp, by the real ends of what they let through.
CLAMPS = {
    aten.relu.default: lambda: (0.0, INF),
    aten.relu_.default: lambda: (0.0, INF),
    aten.relu6.default: lambda: (0.0, 6.0),
    aten.relu6_.default: lambda: (0.0, 6.0),
    aten.hardtanh.default: lambda lo=-1.0, hi=1.0: (lo, hi),
    aten.hardtanh_.default: lambda lo=-1.0, hi=1.0: (lo, hi),
    aten.clamp.default: lambda lo=None, hi=None: (
        -INF if lo is None else lo,
        INF if hi is None else hi,
    ),
}
SUMS = {aten.add.Tensor, aten.add_.Tensor, aten.sub.Tensor}
FACTORS = {aten.mul.Tensor, aten.mul_.Tensor}
# What such an activation can run in.
ANCHORS = {*PRODUCTS, *TRANSPOSED, *SUMS, *FACTORS, aten.batch_norm.default}
SOFTMAXES = (aten.softmax.int, aten._softmax.default)
MOVERS = {
    *(aten.flatten.using_ints, aten.view.default, aten.reshape.default, aten.squeeze.dims),
    *(aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.default),
    *(aten.permute.default, aten.transpose.int, aten.cat.default, aten.pad.default),
    *(aten.slice.Tensor, aten.select.int, operator.getitem),
    *(*NEAREST, *BILINEAR),
}
POOLS = {
    *(aten.max_pool2d.default, aten.max_pool1d.default),
    *(aten.avg_pool2d.default, aten.avg_pool1d.default),
    *(aten.adaptive_avg_pool2d.default, aten.adaptive_avg_pool1d.default),
    *(aten.mean.dim, torch.ops.lowbit.mean.default),
}


def clamp_ends(node: Node) -> tuple[float, float]:
    lo, hi = CLAMPS[node.target](*node.args[1:])
    return float(lo), float(hi)


def fused(captured: Captured) -> dict[Node, Node]:
    """Each clamping activation with the operation it runs in."""
    found = {}
    for node in captured.operations:
        if node.target not in CLAMPS:
            continue
        source = node.args[0]
        lo, hi = clamp_ends(node)
        if source.target in ANCHORS and len(source.users) == 1 and lo <= 0 <= hi:
            found[node] = source
    return found


def shares(captured: Captured) -> dict[Node, Node]:
    """Each tensor with the one that stands for all it shares its parameters with."""
    leader: dict[Node, Node] = {n: n for n in (*captured.inputs, *captured.operations)}

    def find(node: Node) -> Node:
        while leader[node] is not node:
            node = leader[node]
        return node

    for node in captured.operations:
        if keeps(node):
            for source in tensors(node):
                if source in leader:
                    leader[find(source)] = find(node)
    return {node: find(node) for node in leader}


def keeps(node: Node) -> bool:
    """Whether its result shares its operands' parameters."""
    return node.target in MOVERS | POOLS or elementwise.is_identity(node)


def of_softmaxes(members: list[Node]) -> bool:
    """Whether tensors that share parameters hold nothing but what softmaxes have made."""
    return all(keeps(n) or n.target in SOFTMAXES for n in members) and any(
        n.target in SOFTMAXES for n in members
    )


def behind_low_bit(captured: Captured) -> set[Node]:
    """Sums of low-bit layers, and what is done to them alone before codes are made of them again:
    8 bits on the way would only lose what the integers hold."""
    found: set[Node] = set()
    for node in captured.operations:
        if node.target in PRODUCTS:
            if node.args[1] in captured.specs:
                found.add(node)
        elif node.target in elementwise.ELEMENTWISE or elementwise.is_identity(node):
            sources = [n for n in node.all_input_nodes if n not in captured.constants]
            if sources and all(n in found for n in sources):
                found.add(node)
    return found


def tensors(node: Node) -> list[Node]:
    """The float tensors that it reads; for a part of a split, the whole."""
    if node.target is operator.getitem:
        return [whole_of(node)]
    return [n for n in node.all_input_nodes if is_float(n)]


def is_float(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()
