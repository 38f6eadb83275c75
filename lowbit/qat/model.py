"""Quantization-aware training of any float model that torch.export captures.

In training the model runs as it was captured, with weights and activations rounded to the codes
that the graph will have and straight-through gradients. In evaluation it *is* the graph: weights
are coded, the graph is planned and the runtime computes it, so that what validation measures is
what will be deployed, to the bit. Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", 2018, section 3.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import Captured, capture
from lowbit.int8.calibrate import Batch
from lowbit.int8.fold import aten, fold_batch_norms, weight_and_bias, with_torch_norms
from lowbit.int8.lower import Settings
from lowbit.int8.methods import METHODS
from lowbit.int8.quantize import check, lower, prepare
from lowbit.int8.sharing import shares
from lowbit.ir import Graph
from lowbit.qat import layers
from lowbit.qat.program import DROPOUT, Places, Program, dropout, places, program
from lowbit.qat.ranges import Learned, MovingAverage, Range
from lowbit.qat.steps import Steps
from lowbit.runtime import Network
from lowbit.spec import INT8, Parameters

BYTES = Parameters(1.0, INT8.lo)  # what an input of bytes is worth


class QuantizedTraining(nn.Module):
    """`model` in training for 8 bits; its state dict has the model's keys behind "model.".

    Three buffers say how far training has come, and nothing but buffers changes as it goes on:
    `quantizing` (else all is float), `observing` (ranges follow the data), and `frozen` (batch
    norms keep the statistics they have). `graph()` is the result.

    Ranges of activations are moving averages of what is seen, and weights reach to their largest;
    or LSQ's: with `learned_ranges` the scales of activations are trained, with `learned_steps`
    those of weights, which matters at 4 bits and fewer.
    """

    quantizing: Tensor
    observing: Tensor
    frozen: Tensor

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Batch],
        method: str = "minmax",
        *,
        learned_ranges: bool = False,
        learned_steps: bool = False,
        per_channel: bool = True,
        weight_bits: int = 8,
        form: str = "D",
    ) -> None:
        super().__init__()
        check(method, form, weight_bits)
        self.model = with_torch_norms(model).eval()
        self.settings = Settings(form, weight_bits, per_channel)
        captured, seen = prepare(self.model, batches, changing=True)
        self.example = tuple(empty(n) for n in captured.inputs)
        kind = Learned if learned_ranges else MovingAverage
        ends = {shares(captured)[n].name: METHODS[method](s, INT8) for n, s in seen.items()}
        self.ranges = nn.ModuleDict({name: kind(*pair) for name, pair in ends.items()})
        for flag, value in (("quantizing", True), ("observing", True), ("frozen", False)):
            self.register_buffer(flag, torch.tensor(value))
        self.ready: tuple[Program, Places] | None = None
        self.network: tuple[object, Network] | None = None
        self.keep_ranges()
        self.steps = nn.ModuleDict()
        if learned_steps:
            for node in self.layers_of(captured):
                w = weight_and_bias(node, captured)[0]
                self.steps[node.name] = Steps(w, weight_bits, per_channel)
        self.train()

    def layers_of(self, captured: Captured) -> list[Node]:
        """The layers of a folded program whose weights are coded in training."""
        known = self.program()[0].layers
        return [n for n in captured.operations if n.name in known]

    def keep_ranges(self) -> None:
        """Leaves out ranges of tensors that stay float: their parameters would never train."""
        made, where = self.program()
        used = {made.leader[n].name for n in where.all} - {n.name for n in made.exact()}
        for name in set(self.ranges) - used:
            del self.ranges[name]

    def program(self) -> tuple[Program, Places]:
        if self.ready is None:
            made = program(deepcopy(self.model).eval(), self.example)
            self.ready = made, places(made, self.parameters_of(made.leader), self.settings)
        return self.ready

    def parameters_of(self, leader: dict[Node, Node]) -> dict[Node, Parameters]:
        """The parameters of every tensor now; bytes, and what never has codes, have a fixed one."""
        known = {name: r.parameters_now() for name, r in self.ranges.items()}
        return {node: known.get(first.name, BYTES) for node, first in leader.items()}

    def __getstate__(self) -> dict:
        """Copies and pickles capture anew."""
        return {**self.__dict__, "ready": None, "network": None}

    def graph(self, integer_only: bool = False) -> Graph:
        """The 8-bit graph of the model as it is now."""
        captured = capture(deepcopy(self.model).eval(), self.example)
        fold_batch_norms(captured)
        s = self.settings
        settings = Settings(s.form, s.weight_bits, s.per_channel, integer_only)
        rounded = {
            n: self.steps[n.name].coded(weight_and_bias(n, captured)[0].numpy())
            for n in self.layers_of(captured)
            if n.name in self.steps
        }
        return lower(captured, self.parameters_of(shares(captured)), settings, rounded)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if self.training:
            return Pass(self).outputs(inputs)
        return self.evaluated(inputs) if self.quantizing else self.model(*inputs)

    def evaluated(self, inputs: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """What the graph computes."""
        state = (
            *self.model.state_dict(keep_vars=True).values(),
            *self.ranges.state_dict().values(),
            *self.steps.state_dict().values(),
        )
        version = tuple((id(t), t._version) for t in state)
        if self.network is None or self.network[0] != version:
            self.network = version, Network(self.graph(), batch=16)
        found = self.network[1](*(x.detach().cpu().numpy() for x in inputs))
        outputs = tuple(torch.from_numpy(y).to(inputs[0].device) for y in as_tuple(found))
        return outputs if len(outputs) > 1 else outputs[0]


def empty(node: Node) -> Tensor:
    shape = node.meta["val"].shape[1:]
    return torch.zeros(1, *shape, dtype=node.meta["val"].dtype)


def as_tuple(found) -> tuple:
    return found if isinstance(found, tuple) else (found,)


class Pass:
    """One run in training mode."""

    def __init__(self, owner: QuantizedTraining) -> None:
        self.owner = owner
        self.program, self.places = owner.program()
        model = owner.model
        self.live = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        self.on, self.watching = bool(owner.quantizing), bool(owner.observing)
        self.frozen = bool(owner.frozen)
        self.values: dict[Node, Tensor] = {}

    def outputs(self, inputs: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        captured, skipped = self.program.captured, self.program.inside
        self.values.update(zip(captured.inputs, inputs, strict=True))
        for node in captured.operations:
            if node not in skipped:
                y = self.run(node)
                self.values[node] = self.coded(node, y) if node in self.places.made else y
        for found in self.owner.ranges.values():
            assert isinstance(found, Range)
            found.end_batch()
        results = tuple(self.value(n) for n in captured.outputs)
        return results if len(results) > 1 else results[0]

    def run(self, node: Node) -> Tensor:
        if node in self.program.calls:
            call = self.program.calls[node]
            return self.owner.model.get_submodule(call.path)(self.value(call.input))
        read = self.operand if node in self.places.operations else self.value
        if node.name in self.program.layers:
            layer, x = self.program.layers[node.name], read(node.args[0])
            return layers.run(node, layer, x, self.constant, self.coding(node), self.frozen)
        args = torch.fx.map_arg(node.args, read)
        if node.target in DROPOUT:
            return dropout(node, args, True)
        if node.target is aten.batch_norm.default:
            y, gamma, beta, mean, variance, _, momentum, eps, *_ = args
            return F.batch_norm(y, mean, variance, gamma, beta, not self.frozen, momentum, eps)
        return node.target(*args, **torch.fx.map_arg(node.kwargs, read))

    def constant(self, node: Node | None) -> Tensor | None:
        return None if node is None else self.value(node)

    def value(self, node: Node) -> Tensor:
        """A tensor of this run, or a parameter as it is now, or what is computed of parameters."""
        if node not in self.values:
            known = self.program.captured
            if node in known.names:
                return self.live[known.names[node]]
            if node.op == "placeholder":
                return known.constants[node]
            args = torch.fx.map_arg(node.args, self.value)
            self.values[node] = node.target(*args, **torch.fx.map_arg(node.kwargs, self.value))
        return self.values[node]

    def operand(self, node: Node) -> Tensor:
        """What an 8-bit operation reads: a float is rounded to codes on the way."""
        x = self.value(node)
        return self.coded(node, x) if node in self.places.read else x

    def coded(self, node: Node, x: Tensor) -> Tensor:
        name = self.program.leader[node].name
        if name not in self.owner.ranges:
            return x
        found = self.owner.ranges[name]
        assert isinstance(found, Range)
        if self.watching:
            found.see(x)
        return found(x) if self.on else x

    def coding(self, node: Node) -> Callable[[Tensor], Tensor]:
        """What puts a layer's weights on their codes."""
        s = self.owner.settings
        if not self.on:
            return lambda w: w
        if node.name in self.owner.steps:
            return self.owner.steps[node.name]
        return partial(layers.quantized, bits=s.weight_bits, per_channel=s.per_channel)
