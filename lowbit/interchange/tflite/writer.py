"""The model that grows while a graph's nodes are written, one rule an operator."""

from collections.abc import Callable

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.flatbuffer import Model
from lowbit.interchange.parameters import worths
from lowbit.ir import Graph, Node, ops, verify
from lowbit.registrar import registrar
from lowbit.spec import INT8, Codes, Parameters, signed

SAME, VALID = 0, 1
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}
SUMS = (ops.Conv, ops.Linear, ops.MulCodes)


class Writer:
    def __init__(self, graph: Graph, batch: int) -> None:
        self.graph, self.batch, self.model = graph, batch, Model()
        self.types, self.worth = verify(graph), worths(graph)
        self.index: dict[str, int] = {}
        self.made = {node.output: node for node in graph.nodes}

    def write(self) -> bytes:
        for name in self.graph.inputs:
            self.place(name)
        for node in self.graph.nodes:
            if node.output not in self.index and not self.waits(node):
                self.lower(node)
        ends = [
            [self.index[name] for name in names]
            for names in (self.graph.inputs, self.graph.outputs)
        ]
        return self.model.finish(*ends)

    def lower(self, node: Node) -> None:
        rule = RULES.get(type(node.op))
        if rule is None:
            raise InterchangeError(f"{node}: TensorFlow Lite has no operator for it")
        rule(self, node)

    def waits(self, node: Node) -> bool:
        """Whether it is written with the node that reads it: a sum, or a dequantization's half."""
        return isinstance(node.op, (ops.Sub, ops.Byte, ops.Spread, *SUMS))

    def place(self, name: str) -> int:
        """The index of a tensor, which is made when first asked for."""
        if name not in self.index:
            made = self.made.get(name)
            if made and self.waits(made):
                raise InterchangeError(f"{made}: TensorFlow Lite has it in other operators alone")
            type_, worth = self.types[name], self.worth.get(name)
            shape = (self.batch, *type_.shape)
            values = (worth.scale, worth.zero_point) if worth else (None, 0)
            self.index[name] = self.model.tensor(name, shape, type_.dtype, None, *values)
        return self.index[name]

    def between(self, name: str, shape, like: str, worth: Parameters) -> int:
        dtype = self.types[like].dtype
        return self.model.tensor(name, (self.batch, *shape), dtype, None, *worth)

    def number(self, name: str, value: int, like: str, worth: Parameters) -> int:
        """A code of the tensor `like`."""
        return self.model.tensor(name, (), self.types[like].dtype, value, *worth)

    def codes(self, name: str, node: Node) -> Parameters:
        if name not in self.worth:
            raise InterchangeError(f"{node}: what the codes {name} are worth is not known")
        return self.worth[name]

    def operator(self, kind: str, inputs, node: Node, **options: object) -> None:
        self.model.operator(kind, inputs, [self.place(node.output)], **options)

    def indices(self, name: str, values) -> int:
        array = np.asarray(values, np.int32)
        return self.model.tensor(name, array.shape, "int32", array)

    def padding(self, node: Node, kernel, dilation, fill: int) -> tuple[int, int]:
        """The tensor a window reads and its padding: SAME, or VALID, after PADV2 if need be."""
        x, op = node.inputs[0], node.op
        sides, pads = self.types[x].shape[:-1], op.padding  # type: ignore[attr-defined]
        if not any(map(any, pads)):
            return self.place(x), VALID
        if pads == same_padding(sides, kernel, op.stride, dilation):  # type: ignore[attr-defined]
            return self.place(x), SAME
        shape = (*(s + sum(p) for s, p in zip(sides, pads, strict=True)), self.types[x].shape[-1])
        worth = self.codes(x, node)
        padded = self.between(f"{node.output} padded", shape, x, worth)
        amounts = self.indices(f"{node.output} pads", [(0, 0), *pads, (0, 0)])
        value = self.number(f"{node.output} fill", fill, x, worth)
        self.model.operator("PADV2", [self.place(x), amounts, value], [padded])
        return padded, VALID


Rule = Callable[[Writer, Node], None]
RULES: dict[type, Rule] = {}
rule = registrar(RULES)


def same_padding(sides, kernel, stride, dilation):
    """TensorFlow's: as many outputs as ceil(side / stride), the odd tap behind."""
    pads = []
    for side, k, s, d in zip(sides, kernel, stride, dilation, strict=True):
        total = max((-(-side // s) - 1) * s + d * (k - 1) + 1 - side, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def activation(node: Node) -> int:
    """The fused activation that clamps to lo..hi; InterchangeError if there is none."""
    op = node.op
    s, z, lo, hi = op.to  # type: ignore[attr-defined]
    spec = signed(16) if is_wide(op.to) else INT8  # type: ignore[attr-defined]
    six = min(spec.hi, z + int(np.floor(np.float32(6) / np.float32(s) + np.float32(0.5))))
    clamps = (("NONE", (spec.lo, spec.hi)), ("RELU", (z, spec.hi)), ("RELU6", (z, six)))
    for name, ends in clamps:
        if (lo, hi) == ends:
            return ACTIVATIONS[name]
    raise InterchangeError(f"{node}: no fused activation clamps to {lo}..{hi}")


def is_wide(codes: Codes) -> bool:
    return codes.lo < INT8.lo or codes.hi > INT8.hi
