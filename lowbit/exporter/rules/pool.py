"""Pooling. Max pooling keeps integers integers; averages are floats, divided once."""

import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.exporter.rules.product import tupled
from lowbit.ir import ops
from lowbit.nn.pool import mean_op

aten = torch.ops.aten


@rule(aten.max_pool2d.default, aten.max_pool1d.default)
def lower_max_pool(lowering: Lowering, node: Node) -> Value:
    return max_pool(lowering, node, lowering.value(node.args[0]))


def max_pool(lowering: Lowering, node: Node, value: Value) -> Value:
    _, kernel, stride, padding, dilation, ceil = arguments(node, ((), (), 0, 1, False))
    sides = len(value.axes) - 1
    value = lowering.channels_last(value, node)
    kernel, dilation = tupled(kernel, sides), tupled(dilation, sides)
    stride = tupled(stride, sides) if stride else kernel
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = overhang(value.shape[:-1], reach, stride, tupled(padding, sides), ceil)
    return lowering.emit(ops.MaxPool(kernel, stride, pads, dilation), (value,), value.axes, node)


@rule(aten.avg_pool2d.default, aten.avg_pool1d.default)
def avg_pool(lowering: Lowering, node: Node) -> Value:
    defaults = ((), (), 0, False, True, None)
    x, kernel, stride, padding, ceil, include, divisor = arguments(node, defaults)
    if divisor is not None:
        raise refuse(node, "divisor_override has no operation")
    value = lowering.channels_last(lowering.value(x), node)
    sides = len(value.axes) - 1
    kernel = tupled(kernel, sides)
    stride = tupled(stride, sides) if stride else kernel
    pads = overhang(value.shape[:-1], kernel, stride, tupled(padding, sides), ceil)
    op = ops.AvgPool(kernel, stride, pads, int(include))
    return lowering.emit(op, (value,), value.axes, node)


def arguments(node: Node, defaults: tuple) -> tuple:
    """The node's arguments, those left out filled in."""
    return (*node.args, *defaults[len(node.args) - 1 :])


def overhang(sides, reach, stride, padding, ceil: bool):
    """(before, after) padding; ceil mode adds behind what lets a last window begin inside."""
    pads = []
    for side, r, s, p in zip(sides, reach, stride, padding, strict=True):
        spare = side + 2 * p - r
        count = -(-spare // s) if ceil else spare // s
        if ceil and count * s >= side + p:  # torch: a window starts in the image or before it
            count -= 1
        pads.append((p, max(p, count * s + r - side - p) if ceil else p))
    return tuple(pads)


@rule(aten.adaptive_avg_pool2d.default, aten.adaptive_avg_pool1d.default)
def adaptive_avg_pool(lowering: Lowering, node: Node) -> Value:
    x, size = node.args
    value = lowering.channels_last(lowering.value(x), node)
    sides = value.shape[:-1]
    size = tuple(o or s for o, s in zip(tupled(size, len(sides)), sides, strict=True))
    if any(s % o for s, o in zip(sides, size, strict=True)):
        raise refuse(node, f"{size} does not divide {sides}")
    if all(o == 1 for o in size):
        mean = lower_mean(lowering, node, value)
        shape = (*size, value.shape[-1])
        return lowering.emit(ops.Reshape(shape), (mean,), value.axes, node)
    kernel = tuple(s // o for s, o in zip(sides, size, strict=True))
    op = ops.AvgPool(kernel, kernel, ((0, 0),) * len(sides))
    return lowering.emit(op, (value,), value.axes, node)


@rule(mean_op._opoverload)
def defined_mean(lowering: Lowering, node: Node) -> Value:
    value = lowering.channels_last(lowering.value(node.args[0]), node)
    return lowering.emit(ops.Mean(), (value,), (0,), node)


@rule(aten.mean.dim)
def mean(lowering: Lowering, node: Node) -> Value:
    x, dims, keep = arguments(node, ((), False))
    value = lowering.channels_last(lowering.value(x), node)
    rank = len(value.axes) + 1
    if sorted(d % rank for d in dims) != list(range(2, rank)):
        raise refuse(node, "a mean runs over all sides, and leaves batch and channels")
    pooled = lower_mean(lowering, node, value)
    if not keep:
        return pooled
    shape = (*(1,) * (rank - 2), value.shape[-1])
    return lowering.emit(ops.Reshape(shape), (pooled,), value.axes, node)


def lower_mean(lowering: Lowering, node: Node, value: Value) -> Value:
    if value.type.spec is None:
        lowering.note(
            node, "averages floats in torch's own order: lowbit.nn.GlobalAvgPool2d has a stated one"
        )
    return lowering.emit(ops.Mean(), (value,), (0,), node)
