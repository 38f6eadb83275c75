"""Convolution and linear: integer products of codes, or float ones where an operand is float."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.ir import ops
from lowbit.ir.ops.product import proved_range
from lowbit.spec import QuantSpec

aten = torch.ops.aten
EXACT = 2**24  # float32 holds every integer up to here


def weight_constant(lowering: Lowering, node: Node, argument, layout) -> str:
    """The weights as codes if they came out of a snap, else as floats; `layout` is the order of
    axes that the graph has them in, or a function that brings them there."""
    known = lowering.captured.constants
    if argument not in known:
        raise refuse(node, "its weights depend on the input")
    array = known[argument].numpy()
    array = layout(array) if callable(layout) else array.transpose(layout)
    spec = lowering.captured.specs.get(argument)
    if not np.isfinite(array).all():
        raise refuse(node, "its weights are NaN or infinite: the model has diverged")
    return lowering.constant(array, spec, f"{node.name}.weight")


def finish(lowering: Lowering, node: Node, value: Value, operands, bias) -> Value:
    x, w = (lowering.types[o.name if isinstance(o, Value) else o] for o in operands)
    if x.spec is None or w.spec is None:
        lowering.note(node, "sums floats, in an order that torch does not promise")
    elif (reach := largest_partial_sum(x.spec, w.value)) > EXACT:
        lowering.note(node, f"sums reach {reach}, beyond 2^24: torch rounds them")
    if bias is None:
        return value
    operand = bias_operand(lowering, node, bias)
    return lowering.emit(ops.Add(), (value, operand), value.axes, node)


def largest_partial_sum(x: QuantSpec, w) -> int:
    """Whatever the order of summation: any tap may still be missing from a partial sum."""
    return proved_range(x, w, zero_padded=True).magnitude


def bias_operand(lowering: Lowering, node: Node, bias: Node) -> str:
    array = lowering.captured.constants[bias].numpy()
    return lowering.constant(array, None, f"{node.name}.bias")


@rule(aten.linear.default)
def linear(lowering: Lowering, node: Node) -> Value:
    x, w, bias = (*node.args, None)[:3]
    value = lowering.natural(lowering.value(x), node)
    weight = weight_constant(lowering, node, w, (0, 1))
    out = lowering.emit(ops.Linear(), (value, weight), value.axes, node)
    return finish(lowering, node, out, (value, weight), bias)


@rule(aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding)
def conv(lowering: Lowering, node: Node) -> Value:
    x, w, bias, stride, padding, dilation, groups = defaults(node)
    sides = node.meta["val"].ndim - 2
    weight = weight_constant(lowering, node, w, (0, *range(2, sides + 2), 1))
    kernel = lowering.types[weight].shape[1:-1]
    dilation = tupled(dilation, sides)
    pads = padding_of(padding, kernel, dilation, sides)
    source, pad_value, pads = absorb_pad(lowering, node, x, pads)
    value = lowering.channels_last(lowering.value(source), node)
    op = ops.Conv(tupled(stride, sides), pads, dilation, groups, pad_value)
    out = lowering.emit(op, (value, weight), value.axes, node)
    return finish(lowering, node, out, (value, weight), bias)


def defaults(node: Node) -> tuple:
    given = (*node.args, *[None] * (7 - len(node.args)))
    return tuple(
        value if value is not None else default
        for value, default in zip(given, (None, None, None, 1, 0, 1, 1), strict=True)
    )


def tupled(value, sides: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * sides if len(values) == 1 else values


def padding_of(padding, kernel, dilation, sides: int):
    """(before, after) a side. "same" puts the odd one behind, as torch does."""
    if padding == "valid":
        return ((0, 0),) * sides
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    return tuple((p, p) for p in tupled(padding, sides))


def absorb_pad(lowering: Lowering, node: Node, x: Node, pads):
    """A pad with a code in front of an unpadded convolution becomes the convolution's own."""
    if x.target is not aten.pad.default or any(map(any, pads)):
        return x, 0, pads
    inner, value, ends = padding_arguments(x)
    if len(ends) != len(pads):
        return x, 0, pads
    return inner, value, ends


def padding_arguments(node: Node) -> tuple[Node, int, tuple[tuple[int, int], ...]]:
    """What is padded, with which number, and how far before and behind each of the last axes."""
    inner, sides, mode, value = (*node.args, *["constant", None][len(node.args) - 2 :])[:4]
    value = value or 0
    if mode != "constant" or value != int(value) or min(sides) < 0:
        raise refuse(node, "only padding with a whole number has an operation")
    return inner, int(value), tuple(zip(sides[::2], sides[1::2], strict=True))[::-1]
