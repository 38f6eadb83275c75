"""Graphs with floats left in them on purpose, for models whose activations do not bear 8 bits.

    WeightOnly(bits=4).graph(model, example)    weights in codes, everything computed in float32
    DynamicRange().graph(model, example)        products of integers: inputs are quantized as they
                                                come, each by its own largest magnitude
    Float16().graph(model, example)             weights in half precision

None of them needs calibration data: `example` is a batch of inputs to record the model on. Batch
norms are folded first. `graph.notes` lists what stays float. They are passes over the captured
program, which the exporter then lowers as it does any.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import SNAP, Captured, capture
from lowbit.exporter.lower import Lowering
from lowbit.exporter.simplify import simplify
from lowbit.int8.correct import nearest
from lowbit.int8.equalize import ours
from lowbit.int8.fold import (
    aten,
    fold_batch_norms,
    set_weight_and_bias,
    weight_and_bias,
    with_torch_norms,
)
from lowbit.int8.lower import name_of
from lowbit.int8.parameters import weight_spec
from lowbit.int8.sharing import MOVERS, is_float
from lowbit.ir import Graph, verify
from lowbit.spec import INT8

SMALLEST = 1e-20  # of the largest magnitude of an input, so that zeros can be divided by it


@dataclass(frozen=True, slots=True)
class WeightOnly:
    """y = s (x * q) + b: weights of 2 to 8 bits, symmetric, one scale s an output channel."""

    bits: int = 8
    per_channel: bool = True

    def graph(self, model: nn.Module, example: Tensor) -> Graph:
        return finished(model, example, self.change, integers=False)

    def change(self, captured: Captured, node: Node) -> None:
        code_weights(captured, node, self.bits, self.per_channel)


@dataclass(frozen=True, slots=True)
class DynamicRange:
    r"""y = s_x s (q_x * q) + b with s_x = max|x| / 127 and q_x = round(x / s_x).

    The maximum is that of a sample, or of a row in front of a linear layer. TensorFlow Lite's
    "hybrid" kernels; biases and everything between layers stay float.
    """

    bits: int = 8
    per_channel: bool = True

    def graph(self, model: nn.Module, example: Tensor) -> Graph:
        return finished(model, example, self.change, integers=True)

    def change(self, captured: Captured, node: Node) -> None:
        scale = code_input(captured, node)
        product = code_weights(captured, node, self.bits, self.per_channel)
        follow(captured, product, aten.mul.Tensor, scale)


@dataclass(frozen=True, slots=True)
class Float16:
    """Weights rounded to half precision, which the file then holds in two bytes each."""

    def graph(self, model: nn.Module, example: Tensor) -> Graph:
        return finished(model, example, self.change, integers=False)

    def change(self, captured: Captured, node: Node) -> None:
        w, bias = weight_and_bias(node, captured)
        if not torch.isfinite(w.half()).all():
            raise ValueError(f"{name_of(node)}: weights reach beyond half precision")
        set_weight_and_bias(node, captured, w.half().float(), bias)


Mode = WeightOnly | DynamicRange | Float16
Change = Callable[[Captured, Node], None]


def finished(model: nn.Module, example: Tensor, change: Change, integers: bool) -> Graph:
    """The graph after `change` was made to every layer; `integers` says that these then are."""
    captured = capture(with_torch_norms(model), (example,))
    fold_batch_norms(captured)
    layers = [n for n in captured.operations if ours(n, captured)]
    floats = [
        n
        for n in captured.operations
        if is_float(n) and n.target not in MOVERS and not (integers and n in layers)
    ]
    for node in layers:
        change(captured, node)
    lowering = Lowering(captured)
    lowering.notes += [f"{name_of(node)} stays float" for node in floats]
    graph = simplify(lowering.graph())
    verify(graph)
    return graph


def code_weights(captured: Captured, node: Node, bits: int, per_channel: bool) -> Node:
    """Codes in place of the weights, and their scales and the bias behind; the bare product."""
    w, bias = weight_and_bias(node, captured)
    codes, scales = nearest(w, bits, per_channel)
    set_weight_and_bias(node, captured, torch.from_numpy(codes), bias)
    captured.specs[node.args[1]] = weight_spec(bits)
    last = node.args[2]
    node.args = (*node.args[:2], None, *node.args[3:])
    shape = (-1,) if node.target is aten.linear.default else (-1, *[1] * (w.ndim - 2))
    captured.constants[last] = last.meta["val"] = bias.reshape(shape)
    scale = constant(captured, node, torch.from_numpy(scales).reshape(shape), "scale")
    follow(captured, node, aten.add.Tensor, last)
    follow(captured, node, aten.mul.Tensor, scale)
    return node


def code_input(captured: Captured, node: Node) -> Node:
    """Codes in place of the input; their scale."""
    x = node.args[0]
    whole = x.meta["val"]
    dims = [-1] if node.target is aten.linear.default else list(range(1, whole.ndim))
    row = whole.amax(dims, True)
    size = precede(captured, node, aten.abs.default, (x,), whole)
    size = precede(captured, node, aten.amax.default, (size, dims, True), row)
    size = precede(captured, node, aten.clamp_min.default, (size, SMALLEST), row)
    scale = precede(captured, node, aten.div.Tensor, (size, float(INT8.hi)), row)
    share = precede(captured, node, aten.div.Tensor, (x, scale), whole)
    codes = precede(captured, node, SNAP, (share, -INT8.hi, INT8.hi, 1), whole)
    node.args = (codes, *node.args[1:])
    return scale


def constant(captured: Captured, node: Node, value: Tensor, role: str) -> Node:
    with node.graph.inserting_before(node):
        made = node.graph.placeholder(f"{node.name}_{role}")
    captured.constants[made] = made.meta["val"] = value.float()
    return made


def precede(captured: Captured, node: Node, target, args: tuple, value) -> Node:
    """A new operation in front of `node`, with a value like `value`."""
    with node.graph.inserting_before(node):
        made = node.graph.call_function(target, args)
    made.meta = {**node.meta, "val": value}
    captured.operations.insert(captured.operations.index(node), made)
    return made


def follow(captured: Captured, node: Node, target, operand: Node) -> Node:
    """target(node, operand) in place of `node` for all that read it."""
    with node.graph.inserting_after(node):
        made = node.graph.call_function(target, (node, operand))
    made.meta = dict(node.meta)
    node.replace_all_uses_with(made, delete_user_cb=lambda user: user is not made)
    captured.operations.insert(captured.operations.index(node) + 1, made)
    captured.outputs = [made if n is node else n for n in captured.outputs]
    return made
