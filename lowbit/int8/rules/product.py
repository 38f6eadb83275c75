"""Convolution and linear: sums of codes times codes, requantized with the activation in it."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Value
from lowbit.exporter.rules import place
from lowbit.exporter.rules.product import absorb_pad, defaults, padding_of, tupled
from lowbit.int8 import parameters as rounding
from lowbit.int8.coding import Coded
from lowbit.int8.fold import CONVOLUTIONS, TRANSPOSED, weight_and_bias
from lowbit.int8.lower import Int8Lowering, rule
from lowbit.int8.sharing import CLAMPS, clamp_ends
from lowbit.ir import Op, ops
from lowbit.spec import QuantSpec

aten = torch.ops.aten


def clamp_of(lowering: Int8Lowering, activation: Node) -> tuple[int, int]:
    """The codes that a fused activation lets through."""
    if activation.target not in CLAMPS:
        return lowering.settings.codes.lo, lowering.settings.codes.hi
    ends, spec = clamp_ends(activation), lowering.settings.codes
    return rounding.clamp_codes(lowering.parameters[activation], *ends, spec)


def coded(lowering: Int8Lowering, node: Node) -> bool:
    """Whether its weights are floats to be coded; those of low-bit layers are codes already."""
    captured = lowering.captured
    if node.args[1] not in captured.constants:
        raise refuse(node, "its weights depend on the input")
    return node.args[1] not in captured.specs


def finish(
    lowering: Int8Lowering, node: Node, activation: Node, value: Value, op: Op, layout, turn=None
) -> Value:
    """Codes the weights, in the graph's order of axes, and emits the product and its end.

    `turn` brings weights whose outputs are not first into an order where they are.
    """
    x, out = lowering.codes[value.name], lowering.parameters[activation]
    weight, bias = (t.numpy() for t in weight_and_bias(node, lowering.captured))
    weight = turn(weight) if turn else weight
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise refuse(node, "its weights are NaN or infinite: the model has diverged")
    codes, scales = lowering.coded(node, weight, bias, x, out)
    coded = Coded(codes.transpose(layout), scales)
    spec = rounding.weight_spec(lowering.settings.weight_bits)
    return product(lowering, node, activation, value, op, coded, spec, bias)


def product(
    lowering: Int8Lowering,
    node: Node,
    activation: Node,
    value: Value,
    op: Op,
    weight: Coded,
    spec: QuantSpec,
    bias: np.ndarray,
) -> Value:
    """Sums of codes times codes, and what they are worth in codes of the result."""
    x, out = lowering.codes[value.name], lowering.parameters[activation]
    name = lowering.constant(weight.codes, spec, f"{node.name}.weight")
    parts = [value] if lowering.settings.activation_bits <= 8 else bytes_of(lowering, node, value)
    sums = [lowering.emit(op, (part, name), value.axes, node) for part in parts]
    offset = x.zero_point * weight.codes.reshape(len(weight.codes), -1).sum(1)
    total = rounding.bias_codes(bias, x, weight.scales) - offset
    return lowering.requantize(
        activation,
        *sums[::-1],
        input_scale=x.scale,
        worth=out,
        scales=weight.scales,
        bias=total,
        clamp=clamp_of(lowering, activation),
    )


def bytes_of(lowering: Int8Lowering, node: Node, value: Value) -> list[Value]:
    """The lower and the upper byte of 16-bit codes."""
    return [lowering.emit(ops.Byte(i), (value,), value.axes, node) for i in (0, 1)]


@rule(aten.linear.default)
def linear(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    value = lowering.quantized(node.args[0]) if coded(lowering, node) else None
    if value is None:
        return None
    value = lowering.natural(value, node)
    return finish(lowering, node, activation, value, ops.Linear(), (0, 1))


@rule(*TRANSPOSED)
def conv_transpose(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    """A convolution over the codes with zero points between them."""
    value = lowering.quantized(node.args[0]) if coded(lowering, node) else None
    if value is None:
        return None
    groups = place.transposed_arguments(node)[6]
    kernel = tuple(lowering.captured.constants[node.args[1]].shape[2:])
    stride, pads, dilation = place.windows(node, kernel)
    worth = lowering.codes[value.name]
    value = place.stretched(lowering, node, value, stride, worth.zero_point)
    lowering.worth(value, worth)
    zero = worth.zero_point if any(map(any, pads)) else 0
    op = ops.Conv((1,) * len(kernel), pads, dilation, groups, zero)
    layout = range(len(kernel) + 2)
    return finish(lowering, node, activation, value, op, layout, lambda w: place.turned(w, groups))


@rule(aten.matmul.default, aten.bmm.default, torch.ops.lowbit.matmul.default)
def matmul(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    """Two tensors of codes; with a constant matrix, a linear layer."""
    if node.args[0] in lowering.captured.constants:
        return None
    if node.args[1] in lowering.captured.constants:
        return by_constant(lowering, node, activation)
    if lowering.settings.activation_bits > 8:
        return None  # sums of products of 16 bits leave int32
    values = [lowering.quantized(n) for n in node.args]
    if any(v is None for v in values):
        return None
    a, b = (lowering.natural(v, node) for v in values)
    x, y = (lowering.codes[v.name] for v in (a, b))
    sums = lowering.emit(ops.MatMul((x.zero_point, y.zero_point)), (a, b), a.axes, node)
    scales = np.array([y.scale], np.float32)
    out = lowering.parameters[activation]
    return lowering.requantize(activation, sums, input_scale=x.scale, worth=out, scales=scales)


def by_constant(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    captured, (x, matrix) = lowering.captured, node.args
    if captured.constants[matrix].ndim != 2 or matrix in captured.specs:
        return None
    value = lowering.quantized(x)
    if value is None:
        return None
    value = lowering.natural(value, node)
    weight = captured.constants[matrix].float().numpy().T
    if not np.isfinite(weight).all():
        raise refuse(node, "its weights are NaN or infinite: the model has diverged")
    x_worth, out = lowering.codes[value.name], lowering.parameters[activation]
    bias = np.zeros(len(weight))
    made = lowering.coded(node, weight, bias, x_worth, out)
    spec = rounding.weight_spec(lowering.settings.weight_bits)
    return product(lowering, node, activation, value, ops.Linear(), made, spec, bias)


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
