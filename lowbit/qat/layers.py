r"""A convolution or linear layer in training, with the batch norm behind it folded in.

Weights are quantized as they will be after folding, with the running variance, so that the codes
do not jump about with the batches; the batch norm is then run on what the layer would have made
of its own weights:

    y = BN(conv(x, Q(a w)) / a),   a = gamma / sqrt(running var + eps),                       (1)

which is conv(x, Q(a w)) + beta - a mean once statistics are frozen. Krishnamoorthi, "Quantizing
deep convolutional networks for efficient inference", 2018, section 3.2.2 ("correction and
freezing").
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.fold import PRODUCTS, aten, foldable
from lowbit.int8.parameters import weight_spec
from lowbit.qat.ranges import SMALLEST, fake

Value = Callable[[Node | None], Tensor | None]
DEAD = 1e-8  # of |a| in equation (1), so that a dead channel divides


@dataclass(frozen=True)
class Norm:
    """gamma, beta, mean and variance, as they were captured, and what torch was told besides."""

    constants: tuple[Node | None, ...]
    momentum: float
    eps: float


@dataclass(frozen=True)
class Layer:
    """The constants of a layer, and the batch norm behind it."""

    weight: Node
    bias: Node | None
    norm: Norm | None


def layers(captured: Captured) -> dict[str, Layer]:
    """Every layer with float weights by its name, before its batch norm is folded."""
    norms = {
        n.args[0]: Norm(tuple(n.args[1:5]), *n.args[6:8])
        for n in captured.operations
        if n.target is aten.batch_norm.default and foldable(n, captured)
    }
    return {
        n.name: Layer(n.args[1], n.args[2] if len(n.args) > 2 else None, norms.get(n))
        for n in captured.operations
        if n.target in PRODUCTS and n.args[1] not in captured.specs
    }


def quantized(w: Tensor, bits: int, per_channel: bool) -> Tensor:
    """Weights on the codes that export will give them, with a straight-through gradient."""
    spec = weight_spec(bits)
    rows = w.detach().abs().flatten(1).amax(1)
    largest = rows if per_channel else rows.max().expand_as(rows)
    return fake(w, along((largest / spec.hi).clamp_min(SMALLEST), w, 0), 0, spec)


def along(v: Tensor, y: Tensor, axis: int) -> Tensor:
    """A value a channel in a shape that broadcasts."""
    return v.reshape([-1 if i == axis else 1 for i in range(y.ndim)])


def run(
    node: Node, layer: Layer, x: Tensor, value: Value, quantize: Callable, frozen: bool
) -> Tensor:
    """Equation (1), `quantize` being Q; `frozen` takes the statistics that were seen so far."""
    w, bias = value(layer.weight), value(layer.bias)
    assert w is not None
    if layer.norm is None:
        return node.target(x, quantize(w), bias, *node.args[3:])
    gamma, beta, mean, variance = map(value, layer.norm.constants)
    assert mean is not None
    assert variance is not None
    a = 1 / torch.sqrt(variance.clone() + layer.norm.eps)
    a = a if gamma is None else gamma * a
    y = node.target(x, quantize(w * along(a, w, 0)), None, *node.args[3:])
    axis = y.ndim - 1 if node.target is aten.linear.default else 1
    if frozen:
        shift = -a * mean if bias is None else a * (bias - mean)
        return y + along(shift if beta is None else shift + beta, y, axis)
    y = y / along(torch.where(a.abs() < DEAD, DEAD, a), y, axis)
    y = y if bias is None else y + along(bias, y, axis)
    return F.batch_norm(y, mean, variance, gamma, beta, True, layer.norm.momentum, layer.norm.eps)
