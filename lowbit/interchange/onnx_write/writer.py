"""The model that grows while a graph's nodes are written, one rule an operator."""

from collections.abc import Callable, Mapping

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_sheet import Order, Sheet, TensorProto, helper, onnx
from lowbit.interchange.parameters import worths
from lowbit.ir import Graph, Node, ops
from lowbit.registrar import registrar
from lowbit.spec import INT8, Parameters, QuantSpec

FORM_D = "its arithmetic is TensorFlow Lite's, form D: ONNX computes form F, which ptq can make"
ELSEWHERE = {
    **dict.fromkeys((ops.QuantizeD, ops.RequantizeD, ops.AddD, ops.SoftmaxD), FORM_D),
    ops.Threshold: "low-bit networks go to QONNX",
}
SUMS = (ops.Conv, ops.Linear, ops.MulCodes, ops.MatMul)
Rule = Callable[["Writer", Node], None]


class Writer(Sheet):
    """A tensor of codes is there as codes, `name.q`, and dequantized, under its own name."""

    def __init__(self, graph: Graph, rules: Mapping[type, Rule]) -> None:
        super().__init__(graph)
        self.rules = rules
        self.worth = worths(graph)
        self.made = {node.output: node for node in graph.nodes}
        self.opset = 13

    def write(self) -> bytes:
        inputs = [self.input(name) for name in self.graph.inputs]
        for node in self.graph.nodes:
            self.lower(node)
        outputs = [self.output(name) for name in self.graph.outputs]
        return self.finished(inputs, outputs, {"": self.opset})

    def lower(self, node: Node) -> None:
        if isinstance(node.op, SUMS) or (isinstance(node.op, ops.Sub) and self.dequantizes(node)):
            return  # written with the node that reads it
        rule = self.rules.get(type(node.op))
        if rule is None:
            raise InterchangeError(f"{node}: {ELSEWHERE.get(type(node.op), 'no rule writes it')}")
        rule(self, node)

    # Tensors

    def input(self, name: str) -> onnx.ValueInfoProto:
        type_ = self.types[name]
        self.order[name] = tuple(range(len(type_.shape)))
        stored = f"{name}.q" if type_.spec else name
        if type_.spec:
            self.dequantize(name, stored)
        return helper.make_tensor_value_info(stored, element(type_.spec), ["N", *type_.shape])

    def output(self, name: str) -> onnx.ValueInfoProto:
        type_ = self.types[name]
        self.arranged(name, tuple(range(len(type_.shape))), f"{name}.out")
        if name in self.worth:
            self.quantize(f"{name}.out", f"{name}.codes", self.worth[name], type_.spec or INT8)
        stored = f"{name}.codes" if name in self.worth else f"{name}.out"
        return helper.make_tensor_value_info(stored, element(type_.spec), ["N", *type_.shape])

    def parameters(self, name: str, worth: Parameters, spec: QuantSpec = INT8) -> list[str]:
        """Scale and zero point, whose type is that of the codes."""
        kind = np.int8 if spec.lo < 0 or spec.hi <= INT8.hi else np.uint8
        return [
            self.constant(f"{name}.scale", np.array(worth.scale, np.float32)),
            self.constant(f"{name}.zero", np.array(worth.zero_point, kind)),
        ]

    def quantize(self, x: str, codes: str, worth: Parameters, spec: QuantSpec = INT8) -> None:
        self.emit("QuantizeLinear", [x, *self.parameters(codes, worth, spec)], codes)

    def dequantize(self, name: str, codes: str) -> None:
        worth, spec = self.codes(name), self.types[name].spec or INT8
        self.emit("DequantizeLinear", [codes, *self.parameters(codes, worth, spec)], name)

    def codes(self, name: str) -> Parameters:
        if name not in self.worth:
            raise InterchangeError(f"{name}: what its codes are worth is not known")
        return self.worth[name]

    def finish(self, node: Node, made: str, order: Order) -> None:
        """Quantizes a float tensor and gives it back to floats."""
        self.order[node.output] = order
        spec = self.types[node.output].spec or INT8
        self.quantize(made, f"{node.output}.q", self.codes(node.output), spec)
        self.dequantize(node.output, f"{node.output}.q")

    def dequantizes(self, node: Node) -> bool:
        return node.inputs[0] in self.worth and node.inputs[1] in self.graph.constants

    def clamped(self, node: Node, made: str) -> str:
        """With the activation that the codes' ends stand for; QuantizeLinear has the rest. An
        activation comes behind codes, for a product that has one is not joined with its nodes."""
        scale, z, lo, hi = node.op.to  # type: ignore[attr-defined]
        if (lo, hi) == (-128, 127):
            return made
        worth = Parameters(scale, z)
        self.quantize(made, f"{made}.q", worth)
        codes = [f"{made}.q", *self.parameters(f"{made}.real", worth)]
        made = self.emit("DequantizeLinear", codes, f"{made}.real")
        if (lo, hi) == (z, 127):
            return self.emit("Relu", [made], f"{made}.relu")
        ends = [np.array((end - z) * scale, np.float32) for end in (lo, hi)]
        names = [self.constant(f"{made}.{n}", v) for n, v in zip(("lo", "hi"), ends, strict=True)]
        return self.emit("Clip", [made, *names], f"{made}.clip")


def element(spec: QuantSpec | None) -> int:
    if spec is None:
        return TensorProto.FLOAT
    return TensorProto.INT8 if spec.lo < 0 or spec.hi <= INT8.hi else TensorProto.UINT8


RULES: dict[type, Rule] = {}
rule = registrar(RULES)
