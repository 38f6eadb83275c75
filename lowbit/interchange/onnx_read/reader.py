"""The graph that grows while a model's nodes are read, one rule a kind of node."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_model import Step, demand, parse
from lowbit.interchange.onnx_read.values import Known, Sums, Value, Weights, along
from lowbit.ir import Graph, InvalidGraph, Node, Op, TensorType, ops
from lowbit.registrar import registrar
from lowbit.spec import INT8, Parameters, QuantSpec, unsigned

FLOAT, UINT8, INT8_KIND = 1, 2, 3
INPUTS = {FLOAT: None, UINT8: unsigned(8), INT8_KIND: INT8}
CODES = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}
LARGEST = 2**29  # bytes of all tensors of a sample


class Reader:
    def __init__(self, data: bytes) -> None:
        self.model = parse(data)
        self.known: dict[str, Known] = dict(self.model.constants)
        self.constants: dict[str, TensorType] = {}
        self.types: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.bytes = 0

    def graph(self) -> Graph:
        inputs = {}
        for place in self.model.inputs:
            demand(place.kind in INPUTS, f"input {place.name!r:.80} is float32, int8 or uint8")
            inputs[place.name] = TensorType(place.shape, INPUTS[place.kind])
            self.types[place.name] = inputs[place.name]
            self.known[place.name] = Value(place.name, tuple(range(len(place.shape))))
        for step in self.model.steps:
            rule = RULES.get(step.kind)
            demand(rule is not None and len(step.outputs) >= 1, f"{step}: it is not read")
            assert rule is not None
            self.known[step.outputs[0]] = rule(self, step)
        outputs = tuple(self.output(name) for name in self.model.outputs)
        return Graph(inputs, self.constants, tuple(self.nodes), outputs)

    def output(self, name: str) -> str:
        demand(name in self.known, f"output {name!r:.80} is never made")
        found = self.known[name]
        value = self.natural(found if isinstance(found, Value) else self.real(found))
        return (self.real(value) if value.worth else value).name

    # Graph

    def emit(self, op: Op, *operands: "Value | str", axes: tuple[int, ...]) -> Value:
        names = tuple(o.name if isinstance(o, Value) else o for o in operands)
        try:
            type_ = op.infer(*(self.types[n] for n in names))
        except InvalidGraph as error:
            raise InterchangeError(f"{op}: {error!s:.300}") from None
        name = f"t{len(self.nodes)}"
        self.bytes += 4 * int(np.prod(type_.shape, dtype=object))
        demand(self.bytes <= LARGEST, f"its tensors take more than {LARGEST} bytes a sample")
        self.types[name] = type_
        self.nodes.append(Node(op, names, name))
        return Value(name, axes)

    def constant(self, value: np.ndarray, spec: QuantSpec | None = None) -> str:
        name = f"c{len(self.constants)}"
        type_ = TensorType(value.shape, spec)
        stored = np.ascontiguousarray(value.astype(type_.dtype)).reshape(value.shape)
        self.constants[name] = self.types[name] = TensorType(value.shape, spec, stored)
        return name

    def arranged(self, value: Value, axes: tuple[int, ...]) -> Value:
        if value.axes == axes:
            return value
        permutation = tuple(value.axes.index(a) for a in axes)
        return replace(self.emit(ops.Transpose(permutation), value, axes=axes), worth=value.worth)

    def natural(self, value: Value) -> Value:
        return self.arranged(value, tuple(range(len(value.axes))))

    def image(self, value: Value) -> Value:
        return self.arranged(value, (*range(1, len(value.axes)), 0))

    # Operands

    def value(self, step: Step, place: int) -> Value:
        """A tensor that depends on the input."""
        demand(place < len(step.inputs), f"{step}: operand {place} is missing")
        found = self.known.get(step.inputs[place])
        demand(found is not None, f"{step}: {step.inputs[place]!r:.80} is never made")
        if isinstance(found, Sums):
            found = self.real(found)
        if not isinstance(found, Value):
            raise InterchangeError(f"{step}: operand {place} does not depend on the input")
        return found

    def array(self, step: Step, place: int, default: object = None) -> np.ndarray:
        """A constant operand."""
        if place >= len(step.inputs) or not step.inputs[place]:
            demand(default is not None, f"{step}: operand {place} is missing")
            return np.asarray(default)
        found = self.known.get(step.inputs[place])
        if isinstance(found, Weights):
            return found.codes * along(found.scales, found.codes.ndim, found.axis)
        if not isinstance(found, np.ndarray):
            raise InterchangeError(f"{step}: operand {place} is a constant")
        return found

    def number(self, step: Step, place: int, default: float | None = None) -> float:
        found = self.array(step, place, default)
        demand(found.size == 1, f"{step}: operand {place} is one number")
        return float(found.reshape(()))

    def worth(self, step: Step, scale: int, zero: int) -> Parameters:
        return Parameters(self.number(step, scale), int(self.number(step, zero, 0)))

    def real(self, value: "Value | Sums | Known") -> Value:
        """Float32 numbers."""
        if isinstance(value, Sums):
            y = self.emit(ops.Add(), value.value, self.constant(value.bias), axes=value.value.axes)
            factors = np.float32(value.scale) * value.scales.astype(np.float32)
            y = self.emit(ops.Mul(), y, self.constant(factors), axes=y.axes)
            if (value.lo, value.hi) == (-np.inf, np.inf):
                return y
            ends = (float(np.clip(e, -3e38, 3e38)) for e in (value.lo, value.hi))
            return self.emit(ops.Clamp(*ends), y, axes=y.axes)
        demand(isinstance(value, Value), "a result does not depend on the input")
        assert isinstance(value, Value)
        if value.worth is None:
            return value
        zero = self.constant(np.array(value.worth.zero_point, np.float32))
        y = self.emit(ops.Sub(), replace(value, worth=None), zero, axes=value.axes)
        scale = self.constant(np.array(value.worth.scale, np.float32))
        return self.emit(ops.Mul(), y, scale, axes=y.axes)

    def ends(self, step: Step, zero: int) -> tuple[int, int]:
        """The codes of a quantize node, by the type of its zero point; uint8 without one."""
        kind = self.array(step, zero, np.uint8(0)).dtype
        demand(kind in CODES, f"{step}: activations are int8 or uint8 codes")
        return CODES[kind]


Rule = Callable[[Reader, Step], Known]
RULES: dict[str, Rule] = {}
rule = registrar(RULES)
