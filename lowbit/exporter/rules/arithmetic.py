"""Float arithmetic, in the order the model has it: residual streams, scales, norms, logits."""

import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.ir import ops

aten = torch.ops.aten
BINARY = {
    aten.add.Tensor: ops.Add,
    aten.add_.Tensor: ops.Add,
    aten.sub.Tensor: ops.Sub,
    aten.mul.Tensor: ops.Mul,
    aten.mul_.Tensor: ops.Mul,
    aten.div.Tensor: ops.Div,
}


@rule(*BINARY)
def binary(lowering: Lowering, node: Node) -> Value:
    a, b = node.args
    if node.kwargs.get("alpha", 1) != 1:
        raise refuse(node, "alpha is 1")
    return combine(lowering, node, BINARY[node.target](), a, b)


@rule(aten.rsub.Scalar)
def rsub(lowering: Lowering, node: Node) -> Value:
    return combine(lowering, node, ops.Sub(), node.args[1], node.args[0])


@rule(aten.neg.default)
def neg(lowering: Lowering, node: Node) -> Value:
    return combine(lowering, node, ops.Mul(), node.args[0], -1.0)


def combine(lowering: Lowering, node: Node, op, a, b) -> Value:
    known = lowering.captured.constants
    moving = [isinstance(v, Node) and v not in known for v in (a, b)]
    first = lowering.value(a if moving[0] else b)
    if all(moving):
        second = lowering.arrange(lowering.value(b), first.axes, node)
        return lowering.emit(op, (first, second), first.axes, node)
    constant = lowering.operand(node, first, b if moving[0] else a)
    operands = (first, constant) if moving[0] else (constant, first)
    return lowering.emit(op, operands, first.axes, node)


@rule(aten.relu.default, aten.relu_.default)
def relu(lowering: Lowering, node: Node) -> Value:
    return unary(lowering, node, ops.Relu())


@rule(aten.relu6.default, aten.relu6_.default)
def relu6(lowering: Lowering, node: Node) -> Value:
    return unary(lowering, node, ops.Clamp(0.0, 6.0))


@rule(aten.hardtanh.default, aten.hardtanh_.default)
def hardtanh(lowering: Lowering, node: Node) -> Value:
    lo, hi = (*node.args[1:], *(-1.0, 1.0)[len(node.args) - 1 :])
    return unary(lowering, node, ops.Clamp(float(lo), float(hi)))


@rule(aten.clamp.default)
def clamp(lowering: Lowering, node: Node) -> Value:
    lo, hi = (*node.args[1:], None, None)[:2]
    return bounded(lowering, node, lo, hi)


@rule(aten.clamp_min.default)
def clamp_min(lowering: Lowering, node: Node) -> Value:
    return bounded(lowering, node, node.args[1], None)


@rule(aten.clamp_max.default)
def clamp_max(lowering: Lowering, node: Node) -> Value:
    return bounded(lowering, node, None, node.args[1])


def bounded(lowering: Lowering, node: Node, lo, hi) -> Value:
    largest = torch.finfo(torch.float32).max
    bounds = (-largest if lo is None else float(lo), largest if hi is None else float(hi))
    return unary(lowering, node, ops.Clamp(*bounds))


def unary(lowering: Lowering, node: Node, op) -> Value:
    value = lowering.value(node.args[0])
    return lowering.emit(op, (value,), value.axes, node)


@rule(aten.prelu.default)
def prelu(lowering: Lowering, node: Node) -> Value:
    value = lowering.value(node.args[0])
    if len(value.axes) > 1:
        value = lowering.channels_last(value, node)
    slope = lowering.captured.constants[node.args[1]].numpy()
    return rectify(lowering, node, value, slope)


@rule(aten.leaky_relu.default, aten.leaky_relu_.default)
def leaky_relu(lowering: Lowering, node: Node) -> Value:
    slope = torch.tensor((*node.args, 0.01)[1], dtype=torch.float32).numpy()
    return rectify(lowering, node, lowering.value(node.args[0]), slope)


def rectify(lowering: Lowering, node: Node, value: Value, slope) -> Value:
    name = lowering.constant(slope, None, f"{node.name}.slope")
    return lowering.emit(ops.PRelu(), (value, name), value.axes, node)


@rule(aten.batch_norm.default)
def batch_norm(lowering: Lowering, node: Node) -> Value:
    """gamma / sqrt(var + eps) and the rest of it as one multiply and one add."""
    x, *parameters = node.args[:5]
    gamma, beta, mean, variance = (
        None if p is None else lowering.captured.constants[p] for p in parameters
    )
    if mean is None or variance is None:
        raise refuse(node, "it normalises by the batch: it has no running statistics")
    lowering.note(node, "torch may fuse its multiply and add: lowbit.nn.BatchNorm2d never does")
    a = 1 / torch.sqrt(variance + node.args[7])
    a = a if gamma is None else gamma * a
    b = -mean * a if beta is None else beta + -mean * a
    value = lowering.value(x)
    if len(value.axes) > 1:
        value = lowering.channels_last(value, node)
    for op, constant in ((ops.Mul(), a), (ops.Add(), b)):
        name = lowering.constant(constant.numpy(), None, f"{node.name}.constant")
        value = lowering.emit(op, (value, name), value.axes, node)
    return value
