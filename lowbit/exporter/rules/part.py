"""Parts of tensors: slices, splits, one of many; and rows of a table."""

import operator

import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import SOURCES, Lowering, Value, rule
from lowbit.exporter.rules.shape import reshape
from lowbit.ir import ops

aten = torch.ops.aten
LAST = 2**62  # torch's end of a slice that has none


def cut(
    lowering: Lowering, node: Node, value: Value, dim: int, start: int, stop: int, step: int = 1
) -> Value:
    """value[start:stop:step] along the torch axis `dim`, which counts the batch."""
    axis = value.axes.index(dim - 1)
    if (start, stop, step) == (0, value.shape[axis], 1):
        return value
    return lowering.emit(ops.Slice(axis, start, stop, step), (value,), value.axes, node)


@rule(aten.slice.Tensor)
def slice_(lowering: Lowering, node: Node) -> Value:
    x, dim, start, stop, step = (*node.args, *(0, None, None, 1)[len(node.args) - 1 :])
    value = lowering.value(x)
    dim %= len(value.axes) + 1
    whole = start in (None, 0) and step == 1
    if dim == 0:
        if whole and (stop is None or (isinstance(stop, int) and stop > LAST)):
            return value
        raise refuse(node, "it takes a part of the batch")
    side = value.shape[value.axes.index(dim - 1)]
    first, last, step = slice(start, stop, step).indices(side)
    if first >= last:
        raise refuse(node, "nothing is left")
    return cut(lowering, node, value, dim, first, last, step)


@rule(aten.select.int)
def select(lowering: Lowering, node: Node) -> Value:
    x, dim, index = node.args
    value = lowering.natural(lowering.value(x), node)
    dim %= len(value.axes) + 1
    if dim == 0:
        raise refuse(node, "it takes one of the batch")
    index %= value.shape[dim - 1]
    return reshape(lowering, node, cut(lowering, node, value, dim, index, index + 1))


def sizes_of(split: Node, side: int) -> list[int]:
    """How many entries each part has."""
    how = split.args[1]
    if split.target is aten.chunk.default:
        how = -(-side // how)
    if isinstance(how, int):
        return [min(how, side - i) for i in range(0, side, how)]
    return list(how)


SPLITS = {
    *(aten.chunk.default, aten.split.Tensor, aten.split.sizes),
    *(aten.split_with_sizes.default, aten.unbind.int),
}


def split_source(lowering: Lowering, node: Node) -> list[Node]:
    return [whole_of(node)]


def whole_of(node: Node) -> Node:
    """The tensor that a part was split from."""
    split = node.args[0]
    if split.target not in SPLITS:
        raise refuse(node, f"it takes one of several results of {split.target}")
    return split.args[0]


SOURCES[operator.getitem] = split_source


@rule(operator.getitem)
def part(lowering: Lowering, node: Node) -> Value:
    split, index = node.args
    value = lowering.value(whole_of(node))
    unbound = split.target is aten.unbind.int
    dim = (*split.args, 0)[1 if unbound else 2] % (len(value.axes) + 1)
    if dim == 0:
        raise refuse(split, "it splits the batch")
    if unbound:
        value = lowering.natural(value, node)
        one = cut(lowering, node, value, dim, index, index + 1)
        return reshape(lowering, node, one, whole_of(node))
    sizes = sizes_of(split, value.shape[value.axes.index(dim - 1)])
    start = sum(sizes[:index])
    return cut(lowering, node, value, dim, start, start + sizes[index])


@rule(aten.embedding.default)
def embedding(lowering: Lowering, node: Node) -> Value:
    table, x = node.args[:2]
    if table not in lowering.captured.constants:
        raise refuse(node, "its table depends on the input")
    value = lowering.natural(lowering.value(x), node)
    spec = lowering.captured.specs.get(table)
    rows = lowering.constant(lowering.captured.constants[table].numpy(), spec, f"{node.name}.table")
    axes = (*value.axes, len(value.axes))
    return lowering.emit(ops.Embed(), (value, rows), axes, node)


def index_source(lowering: Lowering, node: Node) -> list[Node]:
    return [n for n in node.all_input_nodes if n is not node.args[0]]


SOURCES[aten.embedding.default] = index_source


@rule(aten.to.dtype, aten._to_copy.default)
def cast(lowering: Lowering, node: Node) -> Value:
    """From integers to integers: indices of a table."""
    (x,) = node.all_input_nodes
    if any(n.meta["val"].is_floating_point() for n in (x, node)):
        raise refuse(node, "only integers are cast to integers")
    return lowering.value(x)
