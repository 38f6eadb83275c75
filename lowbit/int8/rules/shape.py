"""Pooling and what moves values: codes stay codes, with the scale and zero point they had."""

import math

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import RULES as FLOAT_RULES
from lowbit.exporter.lower import Value
from lowbit.exporter.rules import place, pool
from lowbit.exporter.rules.product import tupled
from lowbit.int8.lower import Int8Lowering, rule
from lowbit.int8.sharing import MOVERS, tensors
from lowbit.ir import ops
from lowbit.spec import QuantSpec

aten = torch.ops.aten
WINDOWS = (aten.avg_pool2d.default, aten.avg_pool1d.default)
ADAPTIVE = (aten.adaptive_avg_pool2d.default, aten.adaptive_avg_pool1d.default)


OWN = {aten.cat.default, aten.pad.default, *place.BILINEAR}


@rule(*MOVERS - OWN, aten.max_pool2d.default, aten.max_pool1d.default)
def move(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    """The exporter's rule, which does not mind what the integers are worth."""
    (source,) = tensors(node)
    value = lowering.quantized(source)
    if value is None:
        return None
    lowering.values[source] = value
    return lowering.worth(FLOAT_RULES[node.target](lowering, node), lowering.codes[value.name])


@rule(aten.pad.default)
def pad(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    """With the code of the number, which a range that holds it has."""
    value = lowering.quantized(node.args[0])
    if value is None:
        return None
    worth = lowering.codes[value.name]
    number = place.padding_arguments(node)[1] / worth.scale + worth.zero_point
    spec = lowering.settings.codes
    code = int(np.clip(np.rint(number), spec.lo, spec.hi))
    return lowering.worth(place.padded(lowering, node, value, code), worth)


@rule(*place.BILINEAR)
def bilinear(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    """Weights in steps of 1 / 1024 along each side, one rounding at the end."""
    value = lowering.quantized(node.args[0])
    if value is None or lowering.settings.activation_bits > 8:  # whose sums would leave int32
        return None
    worth, rank = lowering.codes[value.name], len(value.axes)
    sums = value
    for axis in range(1, rank):
        sums = lowering.arrange(sums, (*(a for a in sums.axes if a != axis), axis), node)
        weights = whole_weights(place.interpolation(node, axis - 1, sums.shape[-1]))
        name = lowering.constant(weights, WEIGHTS, f"{node.name}.weights")
        sums = lowering.emit(ops.Linear(), (sums, name), sums.axes, node)
    one = STEPS ** (rank - 1)
    return lowering.requantize(
        node, sums, input_scale=worth.scale / one, worth=worth, bias=-worth.zero_point * one
    )


STEPS = 1024
WEIGHTS = QuantSpec(0, STEPS)


def whole_weights(weights: np.ndarray) -> np.ndarray:
    """Rows of weights that sum to 1 as integers that sum to STEPS."""
    codes = np.rint(weights.astype(np.float64) * STEPS).astype(np.int64)
    spare = STEPS - codes.sum(1)
    codes[np.arange(len(codes)), codes.argmax(1)] += spare
    return codes


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
    value = lowering.quantized(x) if divisor is None else None
    if value is None:
        return None
    value = lowering.channels_last(value, node)
    stride = tupled(stride, sides) if stride else kernel
    pads = pool.overhang(value.shape[:-1], kernel, stride, padding, ceil)
    if include and any(padding):
        if pads != tuple((p, p) for p in padding):
            return None  # what hangs over behind the padding does not count
        value, pads = zeros_around(lowering, node, value, pads), ((0, 0),) * sides
    return mean(lowering, node, value, ops.MeanCodes(kernel, stride, pads))


def zeros_around(lowering: Int8Lowering, node: Node, value: Value, pads) -> Value:
    """The zeros of padding that a window counts, as codes."""
    worth = lowering.codes[value.name]
    op = ops.Pad(pads, worth.zero_point)
    return lowering.worth(lowering.emit(op, (value,), value.axes, node), worth)


def mean(lowering: Int8Lowering, node: Node, value: Value, op: ops.MeanCodes) -> Value:
    worth = lowering.codes[value.name]
    return lowering.worth(lowering.emit(op, (value,), value.axes, node), worth)


@rule(*ADAPTIVE, aten.mean.dim, torch.ops.lowbit.mean.default)
def global_pool(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    value = lowering.quantized(node.args[0])
    if value is None:
        return None
    rank = len(value.axes) + 1
    if node.target is aten.mean.dim:
        over = sorted(d % rank - 1 for d in node.args[1] or range(rank))
        if over != list(range(1, rank - 1)):
            return mean_over(lowering, node, value, over)
    value = lowering.channels_last(value, node)
    sides = value.shape[:-1]
    if node.target in ADAPTIVE:
        size = tuple(o or s for o, s in zip(tupled(node.args[1], len(sides)), sides, strict=True))
    else:
        size = (1,) * len(sides)
    if any(s % o for s, o in zip(sides, size, strict=True)):
        raise refuse(node, f"{size} does not divide {sides}")
    kernel = tuple(s // o for s, o in zip(sides, size, strict=True))
    pooled = mean(lowering, node, value, ops.MeanCodes(kernel, kernel, ((0, 0),) * len(sides)))
    shape = tuple(node.meta["val"].shape[1:])
    return pooled if len(shape) == len(pooled.shape) else reshaped(lowering, node, pooled, shape)


def mean_over(lowering: Int8Lowering, node: Node, value: Value, axes: list[int]) -> Value | None:
    """The mean over any axes but the batch's: put in front, as the rows of one window."""
    rest = [a for a in range(len(value.axes)) if a not in axes]
    value = lowering.arrange(value, (*axes, *rest), node)
    count = math.prod(value.shape[: len(axes)])
    if -1 in axes or not 1 <= count < 2**15:
        return None
    value = reshaped(lowering, node, value, (count, 1, math.prod(value.shape[len(axes) :])))
    window = (count, 1)
    pooled = mean(lowering, node, value, ops.MeanCodes(window, window, ((0, 0),) * 2))
    return reshaped(lowering, node, pooled, tuple(node.meta["val"].shape[1:]))


def reshaped(lowering: Int8Lowering, node: Node, value: Value, shape: tuple[int, ...]) -> Value:
    made = lowering.emit(ops.Reshape(shape), (value,), tuple(range(len(shape))), node)
    return lowering.worth(made, lowering.codes[value.name])
