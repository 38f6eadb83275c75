"""Pooling and what moves values: codes stay codes, with the scale and zero point they had."""

import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import RULES as FLOAT_RULES
from lowbit.exporter.lower import Value
from lowbit.exporter.rules import pool
from lowbit.exporter.rules.product import tupled
from lowbit.int8.lower import Int8Lowering, rule
from lowbit.int8.sharing import MOVERS
from lowbit.ir import ops

aten = torch.ops.aten
WINDOWS = (aten.avg_pool2d.default, aten.avg_pool1d.default)
ADAPTIVE = (aten.adaptive_avg_pool2d.default, aten.adaptive_avg_pool1d.default)


@rule(*MOVERS - {aten.cat.default}, aten.max_pool2d.default, aten.max_pool1d.default)
def move(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    """The exporter's rule, which does not mind what the integers are worth."""
    value = lowering.quantized(node.args[0])
    if value is None:
        return None
    lowering.values[node.args[0]] = value
    return lowering.worth(FLOAT_RULES[node.target](lowering, node), lowering.codes[value.name])


@rule(aten.cat.default)
def cat(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    tensors = node.args[0]
    values = [lowering.quantized(t) for t in tensors]
    if any(v is None for v in values):
        return None
    for source, value in zip(tensors, values, strict=True):
        assert value is not None
        lowering.values[source] = value
    made = FLOAT_RULES[node.target](lowering, node)
    return lowering.worth(made, lowering.parameters[node])


@rule(*WINDOWS)
def avg_pool(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    defaults = ((), (), 0, False, True, None)
    x, kernel, stride, padding, ceil, include, divisor = pool.arguments(node, defaults)
    sides = node.meta["val"].ndim - 2
    kernel, padding = tupled(kernel, sides), tupled(padding, sides)
    if divisor is not None or (include and any(padding)):
        return None
    value = lowering.quantized(x)
    if value is None:
        return None
    value = lowering.channels_last(value, node)
    stride = tupled(stride, sides) if stride else kernel
    pads = pool.overhang(value.shape[:-1], kernel, stride, padding, ceil)
    return mean(lowering, node, value, ops.MeanCodes(kernel, stride, pads))


def mean(lowering: Int8Lowering, node: Node, value: Value, op: ops.MeanCodes) -> Value:
    worth = lowering.codes[value.name]
    return lowering.worth(lowering.emit(op, (value,), value.axes, node), worth)


@rule(*ADAPTIVE, aten.mean.dim, torch.ops.lowbit.mean.default)
def global_pool(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    value = lowering.quantized(node.args[0])
    if value is None:
        return None
    value = lowering.channels_last(value, node)
    sides = value.shape[:-1]
    if node.target in ADAPTIVE:
        size = tuple(o or s for o, s in zip(tupled(node.args[1], len(sides)), sides, strict=True))
    else:
        size = (1,) * len(sides)
        rank = len(sides) + 2
        if node.target is aten.mean.dim and sorted(d % rank for d in node.args[1]) != list(
            range(2, rank)
        ):
            return None
    if any(s % o for s, o in zip(sides, size, strict=True)):
        raise refuse(node, f"{size} does not divide {sides}")
    kernel = tuple(s // o for s, o in zip(sides, size, strict=True))
    pooled = mean(lowering, node, value, ops.MeanCodes(kernel, kernel, ((0, 0),) * len(sides)))
    shape = tuple(node.meta["val"].shape[1:])
    if len(shape) == len(pooled.shape):
        return pooled
    flat = lowering.emit(ops.Reshape(shape), (pooled,), tuple(range(len(shape))), node)
    return lowering.worth(flat, lowering.codes[pooled.name])
