"""Convolution and linear: sums of codes times codes, requantized with the activation in it."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Value
from lowbit.exporter.rules.product import absorb_pad, defaults, padding_of, tupled
from lowbit.int8 import parameters as rounding
from lowbit.int8.fold import CONVOLUTIONS, weight_and_bias
from lowbit.int8.lower import Int8Lowering, rule
from lowbit.int8.sharing import CLAMPS, clamp_ends
from lowbit.ir import Op, ops
from lowbit.spec import INT8

aten = torch.ops.aten


def clamp_of(lowering: Int8Lowering, activation: Node) -> tuple[int, int]:
    """The codes that a fused activation lets through."""
    if activation.target not in CLAMPS:
        return INT8.lo, INT8.hi
    return rounding.clamp_codes(lowering.parameters[activation], *clamp_ends(activation))


def coded(lowering: Int8Lowering, node: Node) -> bool:
    """Whether its weights are floats to be coded; those of low-bit layers are codes already."""
    captured = lowering.captured
    if node.args[1] not in captured.constants:
        raise refuse(node, "its weights depend on the input")
    return node.args[1] not in captured.specs


def finish(
    lowering: Int8Lowering, node: Node, activation: Node, value: Value, op: Op, layout
) -> Value:
    """Codes the weights, in the graph's order of axes, and emits the product and its end."""
    x, out = lowering.codes[value.name], lowering.parameters[activation]
    weight, bias = (t.numpy() for t in weight_and_bias(node, lowering.captured))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise refuse(node, "its weights are NaN or infinite: the model has diverged")
    codes, scales = lowering.coded(node, weight, bias, x, out)
    codes = codes.transpose(layout)
    spec = rounding.weight_spec(lowering.settings.weight_bits)
    name = lowering.constant(codes, spec, f"{node.name}.weight")
    sums = lowering.emit(op, (value, name), value.axes, node)
    offset = x.zero_point * codes.reshape(len(codes), -1).sum(1)
    total = rounding.bias_codes(bias, x, scales) - offset
    clamp = clamp_of(lowering, activation)
    return lowering.requantize(
        activation, sums, x.scale, out, scales=scales, bias=total, clamp=clamp
    )


@rule(aten.linear.default)
def linear(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    value = lowering.quantized(node.args[0]) if coded(lowering, node) else None
    if value is None:
        return None
    value = lowering.natural(value, node)
    return finish(lowering, node, activation, value, ops.Linear(), (0, 1))


@rule(*CONVOLUTIONS)
def conv(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    x, w, _, stride, padding, dilation, groups = defaults(node)
    if not coded(lowering, node):
        return None
    sides = node.meta["val"].ndim - 2
    dilation = tupled(dilation, sides)
    kernel = tuple(lowering.captured.constants[w].shape[2:])
    pads = padding_of(padding, kernel, dilation, sides)
    source, number, pads = absorb_pad(lowering, node, x, pads)
    if number != 0:
        raise refuse(node, "8-bit codes are padded with zero")
    value = lowering.quantized(source)
    if value is None:
        return None
    value = lowering.channels_last(value, node)
    zero = lowering.codes[value.name].zero_point if any(map(any, pads)) else 0
    op = ops.Conv(tupled(stride, sides), pads, dilation, groups, zero)
    layout = (0, *range(2, sides + 2), 1)
    return finish(lowering, node, activation, value, op, layout)
