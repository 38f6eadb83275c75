"""Sums and products of two tensors of codes; and whatever has one, as a table of 256 codes."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Value
from lowbit.int8.lower import ADD, QUANTIZE, Int8Lowering, rule
from lowbit.int8.rules.product import clamp_of
from lowbit.int8.sharing import FACTORS, SUMS
from lowbit.ir import ops
from lowbit.spec import Codes

aten = torch.ops.aten
PAIRS = SUMS | FACTORS
UNARY = {
    target
    for target in elementwise.ELEMENTWISE
    if target not in {torch.ops.lowbit.snap.default, aten.batch_norm.default, *PAIRS}
}


def operands(lowering: Int8Lowering, node: Node) -> list[Value] | None:
    """Both operands as codes with their axes in one order."""
    values = [lowering.quantized(n) for n in node.args[:2]]
    if any(v is None for v in values):
        return None
    a, b = (v for v in values if v is not None)
    if len(a.axes) != len(b.axes):
        raise refuse(node, f"operands have as many axes: {a.shape} and {b.shape}")
    return [a, lowering.arrange(b, a.axes, node)]


def moving(lowering: Int8Lowering, node: Node) -> list[Node]:
    return [n for n in node.all_input_nodes if n not in lowering.captured.constants]


@rule(*SUMS)
def add(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    if not isinstance(node.args[1], Node) or len(moving(lowering, node)) < 2:
        return table(lowering, node, activation)
    if node.kwargs.get("alpha", 1) != 1:
        raise refuse(node, "alpha is 1")
    pair = operands(lowering, node)
    if pair is None:
        return None
    a, b = pair
    x, y = (lowering.codes[v.name] for v in pair)
    sign = -1 if node.target is aten.sub.Tensor else 1
    out, clamp = lowering.parameters[activation], clamp_of(lowering, activation)
    op = ADD[lowering.settings.form](x, y, sign, Codes(*out, *clamp))
    return lowering.worth(lowering.emit(op, (a, b), a.axes, activation), out)


@rule(*FACTORS)
def mul(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    if not isinstance(node.args[1], Node) or len(moving(lowering, node)) < 2:
        return table(lowering, node, activation)
    pair = operands(lowering, node)
    if pair is None:
        return None
    x, y = (lowering.codes[v.name] for v in pair)
    op = ops.MulCodes((x.zero_point, y.zero_point))
    product = lowering.emit(op, tuple(pair), pair[0].axes, node)
    out, clamp = lowering.parameters[activation], clamp_of(lowering, activation)
    scales = np.array([y.scale], np.float32)
    return lowering.requantize(
        activation, product, input_scale=x.scale, worth=out, scales=scales, clamp=clamp
    )


@rule(*UNARY)
def table(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    """Every code's result, asked of torch: one row, or one a channel where constants differ."""
    sources = moving(lowering, node)
    if len(sources) != 1:
        return None
    value = lowering.quantized(sources[0])
    axis = elementwise.channel_axis(node, lowering.captured.constants)
    if value is None or (axis is not None and axis[1] < 0):
        return None
    if axis is not None and lowering.settings.activation_bits > 8:
        return None  # a table of 2^16 codes is for all channels
    if axis is not None and value.axes[-1] != axis[1]:
        others = [a for a in value.axes if a != axis[1]]
        value = lowering.arrange(value, (*others, axis[1]), node)
    out = lowering.parameters[activation]
    codes = entries(lowering, node, value, axis)
    assert value.type.spec is not None
    clamped = np.clip(codes, *clamp_of(lowering, activation))
    name = lowering.constant(clamped, lowering.settings.codes, f"{node.name}.table")
    op = ops.Lookup(value.type.spec.lo)
    return lowering.worth(lowering.emit(op, (value, name), value.axes, activation), out)


def entries(lowering: Int8Lowering, node: Node, value: Value, axis) -> np.ndarray:
    """(channels or 1, codes of the operand)"""
    spec, worth = value.type.spec, lowering.codes[value.name]
    assert spec is not None
    rank = len(value.axes)
    shape = [1] * rank
    if axis is not None:
        shape[axis[1]] = axis[2]
    real = (np.arange(spec.lo, spec.hi + 1) - worth.zero_point) * np.float32(worth.scale)
    x = torch.from_numpy(real.astype(np.float32)).reshape(-1, *[1] * rank).repeat(1, *shape)
    known = lowering.captured.constants
    with torch.no_grad():
        y = elementwise.apply(node, lambda n: known.get(n, x))
    worth = lowering.parameters[node_of(lowering, node)]
    quantize = QUANTIZE[lowering.settings.form](lowering.coded_as(worth))
    return quantize.evaluate(y.numpy().reshape(len(real), -1)).T


def node_of(lowering: Int8Lowering, node: Node) -> Node:
    """The activation that runs in an operation, whose parameters its result has."""
    return next((a for a, anchor in lowering.fused.items() if anchor is node), node)
