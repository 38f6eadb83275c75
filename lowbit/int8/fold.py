r"""Batch norm folded into the convolution or linear layer before it.

    gamma (w * x + b - mean) / sqrt(var + eps) + beta  =  (a w) * x + a (b - mean) + beta,   (1)
    a = gamma / sqrt(var + eps),

in float64, rounded to float32 once. Jacob et al., 2018, section 3.2.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit import nn as lnn
from lowbit.exporter.capture import Captured

aten = torch.ops.aten
CONVOLUTIONS = {aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding}
PRODUCTS = {aten.linear.default, *CONVOLUTIONS}
TRANSPOSED = {aten.conv_transpose2d.input, aten.conv_transpose1d.default}

NORMS: dict[type[nn.Module], type[nn.Module]] = {
    lnn.BatchNorm1d: nn.BatchNorm1d,
    lnn.BatchNorm2d: nn.BatchNorm2d,
}


def with_torch_norms(model: nn.Module) -> nn.Module:
    """A copy whose batch norms torch.export records whole, to be folded."""
    model = deepcopy(model)
    for norm in model.modules():
        norm.__class__ = NORMS.get(type(norm), type(norm))
    return model


def fold_batch_norms(captured: Captured) -> None:
    """Changes the captured program in place; it is a copy of the model's."""
    for node in list(captured.operations):
        if node.target is aten.batch_norm.default and foldable(node, captured):
            fold(node, captured)


def foldable(norm: Node, captured: Captured) -> bool:
    product, mean = norm.args[0], norm.args[3]
    return (
        product.target in PRODUCTS | TRANSPOSED
        and len(product.users) == 1
        and product.args[1] in captured.constants
        and product.args[1] not in captured.specs
        and mean is not None
    )


def fold(norm: Node, captured: Captured) -> None:
    """Equation (1)."""
    product = norm.args[0]
    w, bias = weight_and_bias(product, captured)
    a, shift = scale_and_shift(norm, captured)
    shift = shift + a * bias.double()
    set_weight_and_bias(product, captured, w.double() * by_output(product, w, a), shift)
    norm.replace_all_uses_with(product)
    captured.outputs = [product if n is norm else n for n in captured.outputs]
    captured.operations.remove(norm)
    norm.graph.erase_node(norm)


def scale_and_shift(norm: Node, captured: Captured) -> tuple[Tensor, Tensor]:
    """a and beta - a mean, in float64."""
    gamma, beta, mean, variance = (
        None if p is None else captured.constants[p].double() for p in norm.args[1:5]
    )
    assert mean is not None
    assert variance is not None
    a = 1 / torch.sqrt(variance + norm.args[7])
    a = a if gamma is None else gamma * a
    shift = -a * mean
    return a, shift if beta is None else shift + beta


def by_output(product: Node, w: Tensor, a: Tensor) -> Tensor:
    """One number for each output channel, in the shape that multiplies the weights."""
    sides = [1] * (w.ndim - 2)
    if product.target not in TRANSPOSED:
        return a.reshape(-1, 1, *sides)
    groups = len(a) // w.shape[1]
    return a.reshape(groups, 1, -1).expand(-1, len(w) // groups, -1).reshape(len(w), -1, *sides)


def outputs(product: Node, w: Tensor) -> int:
    """How many output channels a layer has; a transposed convolution's come second."""
    groups = (*product.args, 1)[6] if len(product.args) > 6 else 1
    return w.shape[1] * groups if product.target in TRANSPOSED else len(w)


def weight_and_bias(product: Node, captured: Captured) -> tuple[Tensor, Tensor]:
    """A missing bias is zeros."""
    w = captured.constants[product.args[1]]
    bias = product.args[2] if len(product.args) > 2 else None
    return w, w.new_zeros(outputs(product, w)) if bias is None else captured.constants[bias]


def set_weight_and_bias(product: Node, captured: Captured, w: Tensor, bias: Tensor) -> None:
    """New constants for one layer; others that shared the old ones keep them."""
    operands = []
    for tensor, role in ((w, "weight"), (bias, "bias")):
        with product.graph.inserting_before(product):
            constant = product.graph.placeholder(f"{product.name}_{role}")
        captured.constants[constant] = tensor.float()
        constant.meta["val"] = captured.constants[constant]
        operands.append(constant)
    product.args = (product.args[0], *operands, *product.args[3:])
