"""Operations that move values: flatten, reshape, permute, concatenate."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.ir import ops

aten = torch.ops.aten


@rule(aten.flatten.using_ints, aten.view.default, aten.reshape.default, aten.squeeze.dims)
def lower_reshape(lowering: Lowering, node: Node) -> Value:
    return reshape(lowering, node, lowering.value(node.args[0]))


@rule(aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.default)
def lower_squeeze(lowering: Lowering, node: Node) -> Value:
    return reshape(lowering, node, lowering.value(node.args[0]))


def reshape(lowering: Lowering, node: Node, value: Value, whole: Node | None = None) -> Value:
    """`value` in the shape of `node`; it comes from `whole`, or from the node's first operand."""
    batch, *shape = node.meta["val"].shape
    source = (whole or node.args[0]).meta["val"].shape[0]
    if isinstance(batch, int):
        raise refuse(node, "the batch became a constant: write x.shape[0] or -1, not len(x)")
    if batch != source or not all(isinstance(s, int) for s in shape):
        raise refuse(node, f"it mixes the batch with other axes: {tuple(node.meta['val'].shape)}")
    axes = tuple(range(len(shape)))
    sides = [s for s in value.shape[:-1] if s > 1]
    if len(value.axes) > 1 and value.axes != tuple(range(len(value.axes))) and sides:
        value = lowering.natural(value, node)
    if value.shape == tuple(shape):
        return Value(value.name, value.type, axes)
    return lowering.emit(ops.Reshape(tuple(shape)), (value,), axes, node)


@rule(aten.permute.default)
def permute(lowering: Lowering, node: Node) -> Value:
    x, order = node.args
    rank = len(order)
    order = [d % rank for d in order]
    if order[0] != 0:
        raise refuse(node, "the batch stays in front")
    value = lowering.value(x)
    moved = [order.index(a + 1) - 1 for a in value.axes]
    return Value(value.name, value.type, tuple(moved))


@rule(aten.transpose.int)
def transpose(lowering: Lowering, node: Node) -> Value:
    x, a, b = node.args
    value = lowering.value(x)
    rank = len(value.axes) + 1
    a, b = a % rank - 1, b % rank - 1
    if -1 in (a, b):
        raise refuse(node, "the batch stays in front")
    swap = {a: b, b: a}
    return Value(value.name, value.type, tuple(swap.get(i, i) for i in value.axes))


@rule(aten.cat.default)
def cat(lowering: Lowering, node: Node) -> Value:
    tensors, dim = (*node.args, 0)[:2]
    known = lowering.captured.constants
    if any(t in known for t in tensors):
        raise refuse(node, "it concatenates a constant")
    rank = node.meta["val"].ndim
    if dim % rank == 0:
        raise refuse(node, "the batch stays as it is")
    first = lowering.value(tensors[0])
    values = [lowering.arrange(lowering.value(t), first.axes, node) for t in tensors]
    if len({v.type.spec is None for v in values}) > 1:  # times one: integers among floats
        one = lowering.constant(np.ones(()), None, f"{node.name}.one")
        values = [
            v if v.type.spec is None else lowering.emit(ops.Mul(), (v, one), v.axes, node)
            for v in values
        ]
    axis = first.axes.index(dim % rank - 1)
    return lowering.emit(ops.Concat(axis), tuple(values), first.axes, node)
