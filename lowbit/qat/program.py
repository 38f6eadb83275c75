"""The captured program of a model in quantization-aware training, and one run of it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import Captured, capture
from lowbit.int8.fold import aten, fold_batch_norms
from lowbit.int8.lower import Int8Lowering, Settings
from lowbit.int8.sharing import fused, shares
from lowbit.qat.layers import Layer, layers
from lowbit.qat.leaves import Leaf, leaves
from lowbit.spec import Parameters

DROPOUT = {
    aten.dropout.default: torch.dropout,
    aten.feature_dropout.default: torch.feature_dropout,
}


@dataclass(frozen=True)
class Program:
    """Batch norms are folded, as they will be in the graph; `layers` and `calls` remember what
    they were, to be run with the parameters that the model has now."""

    captured: Captured
    layers: dict[str, Layer]
    calls: dict[Node, Leaf]
    leader: dict[Node, Node]

    @property
    def inside(self) -> set[Node]:
        return {n for call in self.calls.values() for n in call.inside} - set(self.calls)

    def exact(self) -> set[Node]:
        """Leaders of tensors that hold an input's own bytes, which no range may change."""
        inputs = [n for n in self.captured.inputs if n.meta["val"].dtype == torch.uint8]
        return {self.leader[n] for n in inputs}


def program(model: nn.Module, example: tuple[Tensor, ...]) -> Program:
    """`model` is in evaluation mode."""
    captured = capture(model, example)
    found = layers(captured)
    fold_batch_norms(captured)
    calls = {leaf.output: leaf for leaf in leaves(model, captured)}
    return Program(captured, found, calls, shares(captured))


@dataclass(frozen=True)
class Places:
    """Where values become codes: tensors made by 8-bit operations, and floats that these read."""

    made: frozenset[Node]
    read: frozenset[Node]
    operations: frozenset[Node]

    @property
    def all(self) -> frozenset[Node]:
        return self.made | self.read


def places(program: Program, parameters: dict[Node, Parameters], settings: Settings) -> Places:
    """Asked of the lowering itself."""
    lowering = Int8Lowering(program.captured, parameters, settings)
    lowering.graph()
    tensors = {*program.captured.inputs, *program.captured.operations}
    coded = {n for n, v in lowering.values.items() if v.name in lowering.codes and n in tensors}
    anchors = fused(program.captured)
    operations = coded | {anchors[n] for n in coded if n in anchors}
    operands = {s for n in operations for s in n.all_input_nodes if s in tensors}
    made = coded - {*program.captured.inputs}
    return Places(frozenset(made), frozenset(operands - operations), frozenset(operations))


def dropout(node: Node, args: tuple[Any, ...], training: bool) -> Tensor:
    return DROPOUT[node.target](args[0], args[1], training)
