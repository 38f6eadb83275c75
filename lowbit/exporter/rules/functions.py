"""Float functions of one tensor. Where torch computes them otherwise, the export says so."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.exporter.rules.arithmetic import unary
from lowbit.ir import ops
from lowbit.nn import stated as _stated  # noqa: F401  registers lowbit's operators

aten, ours = torch.ops.aten, torch.ops.lowbit
EXACT = {
    aten.abs.default: ops.Abs,
    ours.sqrt.default: ops.Sqrt,
    ours.exp.default: ops.Exp,
    ours.sigmoid.default: ops.Sigmoid,
}


@rule(*EXACT)
def function(lowering: Lowering, node: Node) -> Value:
    return unary(lowering, node, EXACT[node.target]())


def differs(lowering: Lowering, node: Node, name: str) -> None:
    """Says that exact agreement ends here."""
    lowering.note(
        node, f"{name} differs from torch's in its last bits: lowbit.nn has layers that agree"
    )


def number(lowering: Lowering, value: float) -> str:
    return lowering.constant(np.array(value, np.float32), None, f"number.{value:g}")


def emit(lowering: Lowering, node: Node, op, *operands: "Value | float") -> Value:
    """An operation on values, all with the axes of the first, and numbers."""
    first = next(o for o in operands if isinstance(o, Value))
    given = tuple(o if isinstance(o, Value) else number(lowering, o) for o in operands)
    return lowering.emit(op, given, first.axes, node)


def sigmoid_of(lowering: Lowering, node: Node, x: Value) -> Value:
    return emit(lowering, node, ops.Sigmoid(), x)


@rule(aten.sqrt.default)
def sqrt(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "sqrt")
    return unary(lowering, node, ops.Sqrt())


@rule(aten.exp.default)
def exp(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "exp")
    return unary(lowering, node, ops.Exp())


@rule(aten.sigmoid.default, aten.sigmoid_.default)
def sigmoid(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "sigmoid")
    return unary(lowering, node, ops.Sigmoid())


@rule(aten.silu.default, aten.silu_.default)
def silu(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "SiLU")
    x = lowering.value(node.args[0])
    return emit(lowering, node, ops.Mul(), x, sigmoid_of(lowering, node, x))


@rule(aten.tanh.default, aten.tanh_.default)
def tanh(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "tanh")
    return tanh_of(lowering, node, lowering.value(node.args[0]))


def tanh_of(lowering: Lowering, node: Node, x: Value) -> Value:
    """2 sigmoid(2 x) - 1"""
    y = sigmoid_of(lowering, node, emit(lowering, node, ops.Mul(), x, 2.0))
    return emit(lowering, node, ops.Sub(), emit(lowering, node, ops.Mul(), y, 2.0), 1.0)


@rule(aten.gelu.default)
def gelu(lowering: Lowering, node: Node) -> Value:
    r"""x Phi(x) with  Phi = 1/2 (1 + erf(x / sqrt 2)),  erf(z) = s (1 - q(t) e^(-z^2)),
    t = 1 / (1 + p |z|),  s the sign of z: Abramowitz and Stegun, 7.1.26, off by 1.5e-7 at most.
    Or with approximate="tanh" its approximation by a tanh.
    """
    differs(lowering, node, "GELU")
    x = lowering.value(node.args[0])

    def mul(a, b):
        return emit(lowering, node, ops.Mul(), a, b)

    if node.kwargs.get("approximate", "none") == "tanh":
        cube = mul(mul(mul(x, x), x), 0.044715)
        z = mul(emit(lowering, node, ops.Add(), x, cube), 2 * 0.7978845608028654)
        return mul(x, sigmoid_of(lowering, node, z))
    z = mul(emit(lowering, node, ops.Abs(), x), 0.5**0.5)
    t = emit(
        lowering, node, ops.Div(), 1.0, emit(lowering, node, ops.Add(), mul(z, 0.3275911), 1.0)
    )
    q = mul(t, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        q = mul(emit(lowering, node, ops.Add(), q, coefficient), t)
    tail = mul(q, emit(lowering, node, ops.Exp(), mul(mul(z, z), -1.0)))  # 1 - erf |z|
    # x Phi(x) = max(x, 0) - |x| tail / 2
    half = mul(mul(emit(lowering, node, ops.Abs(), x), tail), 0.5)
    return emit(lowering, node, ops.Sub(), emit(lowering, node, ops.Relu(), x), half)


@rule(aten.hardsigmoid.default, aten.hardsigmoid_.default)
def hardsigmoid(lowering: Lowering, node: Node) -> Value:
    x = emit(lowering, node, ops.Add(), lowering.value(node.args[0]), 3.0)
    return emit(lowering, node, ops.Div(), emit(lowering, node, ops.Clamp(0.0, 6.0), x), 6.0)


@rule(aten.hardswish.default, aten.hardswish_.default)
def hardswish(lowering: Lowering, node: Node) -> Value:
    x = lowering.value(node.args[0])
    gate = emit(lowering, node, ops.Clamp(0.0, 6.0), emit(lowering, node, ops.Add(), x, 3.0))
    return emit(lowering, node, ops.Div(), emit(lowering, node, ops.Mul(), x, gate), 6.0)


@rule(aten.reciprocal.default)
def reciprocal(lowering: Lowering, node: Node) -> Value:
    return emit(lowering, node, ops.Div(), 1.0, lowering.value(node.args[0]))


@rule(aten.rsqrt.default)
def rsqrt(lowering: Lowering, node: Node) -> Value:
    differs(lowering, node, "rsqrt")
    return emit(lowering, node, ops.Div(), 1.0, unary(lowering, node, ops.Sqrt()))


@rule(aten.pow.Tensor_Scalar)
def power(lowering: Lowering, node: Node) -> Value:
    if node.args[1] != 2:
        raise refuse(node, "only squares have an operation")
    return square(lowering, node)


@rule(aten.square.default)
def square(lowering: Lowering, node: Node) -> Value:
    x = lowering.value(node.args[0])
    return emit(lowering, node, ops.Mul(), x, x)
