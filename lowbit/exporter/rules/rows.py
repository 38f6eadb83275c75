"""Reductions, norms and products of tensors: what attention is made of."""

import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.exporter.rules.functions import differs, emit
from lowbit.exporter.rules.pool import arguments
from lowbit.exporter.rules.product import EXACT, weight_constant
from lowbit.exporter.rules.shape import reshape
from lowbit.ir import ops
from lowbit.nn.stated import matmul_op, sum_op

aten = torch.ops.aten


def behind(lowering: Lowering, value: Value, dims, node: Node) -> tuple[Value, int]:
    """The value with the torch axes `dims` last, and how many they are."""
    rank = len(value.axes) + 1
    features = sorted({d % rank - 1 for d in dims}) if dims else list(range(-1, rank - 1))
    if -1 in features:
        raise refuse(node, "it reduces the batch")
    others = [a for a in value.axes if a not in features]
    return lowering.arrange(value, (*others, *features), node), len(features)


def kept(lowering: Lowering, node: Node, value: Value, keep: bool) -> Value:
    """The reduced axes as sides of 1, or dropped."""
    return value if keep else reshape(lowering, node, lowering.natural(value, node))


@rule(aten.amax.default)
def amax(lowering: Lowering, node: Node) -> Value:
    x, dims, keep = arguments(node, ((), False))
    value, count = behind(lowering, lowering.value(x), dims, node)
    return kept(lowering, node, emit(lowering, node, ops.Max(count), value), keep)


@rule(sum_op._opoverload)
def stated_sum(lowering: Lowering, node: Node) -> Value:
    value, _ = behind(lowering, lowering.value(node.args[0]), [-1], node)
    return emit(lowering, node, ops.Sum(1), value)


@rule(aten.sum.dim_IntList)
def float_sum(lowering: Lowering, node: Node) -> Value:
    x, dims, keep = arguments(node, (None, False))
    value, count = behind(lowering, lowering.value(x), dims, node)
    lowering.note(node, "sums floats in torch's own order")
    return kept(lowering, node, emit(lowering, node, ops.Sum(count), value), keep)


@rule(aten.softmax.int, aten._softmax.default)
def softmax(lowering: Lowering, node: Node) -> Value:
    """e^(x - max x) over its sum."""
    differs(lowering, node, "softmax")
    value, _ = behind(lowering, lowering.value(node.args[0]), [node.args[1]], node)
    top = emit(lowering, node, ops.Max(1), value)
    e = emit(lowering, node, ops.Exp(), emit(lowering, node, ops.Sub(), value, top))
    return emit(lowering, node, ops.Div(), e, emit(lowering, node, ops.Sum(1), e))


@rule(aten.layer_norm.default)
def layer_norm(lowering: Lowering, node: Node) -> Value:
    """(x - mean) / sqrt(mean (x - mean)^2 + eps) g + b over the last axes."""
    x, shape, weight, bias, eps, _ = arguments(node, ((), None, None, 1e-5, True))
    lowering.note(
        node, "layer norm differs from torch's in its last bits: torch's order is unknown"
    )
    dims = list(range(-len(shape), 0))
    value, count = behind(lowering, lowering.natural(lowering.value(x), node), dims, node)
    size = float(torch.Size(shape).numel())

    def mean(v: Value) -> Value:
        return emit(lowering, node, ops.Div(), emit(lowering, node, ops.Sum(count), v), size)

    centred = emit(lowering, node, ops.Sub(), value, mean(value))
    variance = mean(emit(lowering, node, ops.Mul(), centred, centred))
    spread = emit(lowering, node, ops.Sqrt(), emit(lowering, node, ops.Add(), variance, eps))
    value = emit(lowering, node, ops.Div(), centred, spread)
    for op, constant in ((ops.Mul(), weight), (ops.Add(), bias)):
        if constant is not None:
            name = lowering.operand(node, value, constant)
            value = lowering.emit(op, (value, name), value.axes, node)
    return value


@rule(matmul_op._opoverload, aten.matmul.default, aten.bmm.default)
def matmul(lowering: Lowering, node: Node) -> Value:
    a, b = node.args
    if a in lowering.captured.constants:
        raise refuse(node, "its first operand does not depend on the input")
    if b in lowering.captured.constants:
        return by_constant(lowering, node, a, b)
    x, y = (lowering.natural(lowering.value(v), node) for v in (a, b))
    made = lowering.emit(ops.MatMul((0, 0)), (x, y), x.axes, node)
    spec = made.type.spec
    if spec is None and node.target is not matmul_op._opoverload:
        lowering.note(node, "sums floats, in an order that torch does not promise")
    if spec is not None and spec.magnitude > EXACT:
        lowering.note(node, f"sums reach {spec.magnitude}, beyond 2^24: torch rounds them")
    return made


def by_constant(lowering: Lowering, node: Node, a: Node, b: Node) -> Value:
    """A linear layer without a name."""
    if lowering.captured.constants[b].ndim != 2:
        raise refuse(node, "a constant operand is one matrix")
    value = lowering.natural(lowering.value(a), node)
    weight = weight_constant(lowering, node, b, (1, 0))
    if value.type.spec is None or lowering.types[weight].spec is None:
        lowering.note(node, "sums floats, in an order that torch does not promise")
    return lowering.emit(ops.Linear(), (value, weight), value.axes, node)
