"""From captured operations to the graph, on demand from the outputs backwards.

Every operation has one rule. A snap is special: the chain of elementwise operations in front of
it, back to an integer, becomes thresholds on that integer, so only what truly needs floats
(residual streams, logits) is ever lowered as floats.

Torch tensors are (N, C, H, W); the graph's are channels-last without the batch. A `Value` knows
which torch axis each of its axes is, and is transposed only where an operation insists.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.capture import Captured
from lowbit.exporter.errors import module_path, refuse
from lowbit.ir import Graph, InvalidGraph, Op, TensorType, ops
from lowbit.ir import Node as IrNode
from lowbit.registrar import registrar
from lowbit.spec import QuantSpec, unsigned


@dataclass(frozen=True)
class Value:
    """A tensor of the graph; its axis i is feature axis axes[i] of the torch tensor."""

    name: str
    type: TensorType
    axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape


class Lowering:
    """Builds the graph. Rules call `value`, `emit` and `constant`."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.constants: dict[str, TensorType] = {}
        self.interned: dict[tuple, str] = {}
        self.nodes: list[IrNode] = []
        self.values: dict[Node, Value] = {}
        self.notes: list[str] = []
        self.inputs = {n.name: input_type(n) for n in captured.inputs}
        self.types: dict[str, TensorType] = dict(self.inputs)
        for node in captured.inputs:
            type_ = self.inputs[node.name]
            self.values[node] = Value(node.name, type_, tuple(range(len(type_.shape))))

    def graph(self) -> Graph:
        outputs = tuple(self.output(n).name for n in self.captured.outputs)
        return Graph(
            self.inputs,
            self.constants,
            tuple(self.nodes),
            outputs,
            tuple(dict.fromkeys(self.notes)),
        )

    def output(self, node: Node) -> Value:
        """In torch's order of axes and, where codes or sums are put out, as torch's float32."""
        value = self.natural(self.value(node), node)
        if value.type.spec is None:
            return value
        one = self.constant(np.ones((), np.float32), None, f"{node.name}.one")
        return self.emit(ops.Mul(), (value, one), value.axes, node, f"{value.name}.float")

    def value(self, node: Node) -> Value:
        """The tensor that holds what `node` computes, lowered if it is not yet."""
        pending = [node]
        while pending:  # an explicit stack: a deep network must not exhaust Python's
            current = pending[-1]
            missing = [] if current in self.values else self.needs(current)
            if missing:
                pending.extend(missing)
                continue
            if current not in self.values:
                self.values[current] = self.lower(current)
            pending.pop()
        return self.values[node]

    def needs(self, node: Node) -> list[Node]:
        """Operands to lower first."""
        sources = SOURCES.get(node.target, operands)(self, node)
        known = self.captured.constants
        return [n for n in sources if n not in known and n not in self.values]

    def lower(self, node: Node) -> Value:
        if elementwise.is_identity(node):
            return self.value(node.all_input_nodes[0])
        if node.target not in RULES:
            raise refuse(node, "the integer graph has no operation for it")
        return RULES[node.target](self, node)

    def emit(
        self,
        op: Op,
        operands: tuple["Value | str", ...],
        axes: tuple[int, ...],
        node: Node,
        stem: str = "",
    ) -> Value:
        """Appends an operation, named after `stem` or the node; a repetition is the first one."""
        names = tuple(o.name if isinstance(o, Value) else o for o in operands)
        key = (op, names)
        if key in self.interned:
            name = self.interned[key]
            return Value(name, self.types[name], axes)
        try:
            type_ = op.infer(*(self.types[n] for n in names))
        except InvalidGraph as error:
            raise refuse(node, str(error)) from None
        name = self.fresh(stem or node.name)
        self.nodes.append(IrNode(op, names, name, module_path(node)))
        self.interned[key] = name
        self.types[name] = type_
        return Value(name, type_, axes)

    def fresh(self, stem: str) -> str:
        names = itertools.chain([stem], (f"{stem}.{i}" for i in itertools.count(1)))
        return next(name for name in names if name not in self.types)

    def constant(self, value: np.ndarray, spec: QuantSpec | None, stem: str) -> str:
        """The name of a constant; equal ones are stored once."""
        type_ = TensorType(value.shape, spec)
        value = np.ascontiguousarray(value.astype(type_.dtype))
        key = (value.tobytes(), value.shape, spec)
        if key not in self.interned:
            name = self.fresh(stem)
            self.interned[key] = name
            self.constants[name] = self.types[name] = TensorType(value.shape, spec, value)
        return self.interned[key]

    def note(self, node: Node, text: str) -> None:
        self.notes.append(f"{module_path(node) or node.name}: {text}")

    # Where graphs have other integers than the snaps' and their sums

    def ending(self, path: list[Node]) -> Node | None:
        """The last of these operations that thresholds cannot reach behind."""
        return None

    def worth_of(self, value: Value) -> tuple[float, int]:
        """(scale, zero) of integers that stand for (x - zero) scale."""
        return 1.0, 0

    def arrange(self, value: Value, axes: tuple[int, ...], node: Node) -> Value:
        """`value` with its axes in the given torch order."""
        if value.axes == axes:
            return value
        permutation = tuple(value.axes.index(a) for a in axes)
        stem = f"{value.name}.transposed"
        return self.emit(ops.Transpose(permutation), (value,), axes, node, stem)

    def channels_last(self, value: Value, node: Node) -> Value:
        rank = len(value.axes)
        return self.arrange(value, (*range(1, rank), 0), node)

    def natural(self, value: Value, node: Node) -> Value:
        return self.arrange(value, tuple(range(len(value.axes))), node)

    def operand(self, node: Node, data: Value, argument) -> str:
        """A float constant operand in the axes of `data`, to broadcast against it."""
        known = self.captured.constants
        tensor = known[argument] if isinstance(argument, Node) else argument
        array = torch.as_tensor(tensor, dtype=torch.float32).numpy()
        rank = len(data.axes)
        if array.ndim > rank:
            if array.shape[0] != 1:
                raise refuse(node, f"a constant of shape {array.shape} has a batch axis")
            array = array[0]
        array = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(data.axes)
        array = once(array, data.shape)
        while array.ndim and array.shape[0] == 1:
            array = array[0]
        if not np.isfinite(array).all():
            raise refuse(node, "a constant is NaN or infinite: the model has diverged")
        return self.constant(array, None, f"{node.name}.constant")


def once(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What repeats itself along an axis before the last is left to broadcasting, if the operand, of
    this shape, has that side itself: a layer's offset reaches every place of an image alike."""
    for axis in range(array.ndim - 1):
        first = array.take([0], axis)
        same = array.view(np.int32) == first.view(np.int32)  # 0.0 and -0.0 are two numbers
        if same.all() and array.shape[axis] == shape[axis]:
            array = first
    return array


Rule = Callable[[Lowering, Node], Value]
RULES: dict[object, Rule] = {}  # one for each ATen operation
rule = registrar(RULES)


def operands(lowering: Lowering, node: Node) -> list[Node]:
    """Its tensors; a size (the batch's) is read from the shapes themselves."""
    return [n for n in node.all_input_nodes if isinstance(n.meta.get("val"), Tensor)]


# Where a rule reads further back than its operands, it says from which nodes.
SOURCES: dict[object, Callable[[Lowering, Node], list[Node]]] = {}


def input_type(node: Node) -> TensorType:
    tensor: Tensor = node.meta["val"]
    shape = tuple(tensor.shape[1:])
    if not all(isinstance(side, int) for side in shape):
        raise refuse(node, f"only the batch may vary in size: {tuple(tensor.shape)}")
    if tensor.dtype == torch.uint8:
        return TensorType(shape, unsigned(8))
    if tensor.dtype == torch.float32:
        return TensorType(shape, None)
    rows = [len(table.meta["val"]) for table in tables_of(node)]
    if tensor.dtype in (torch.int32, torch.int64) and rows:
        return TensorType(shape, QuantSpec(0, min(rows) - 1))
    raise refuse(
        node, f"an input is float32 or uint8, not {tensor.dtype} unless it picks from a table"
    )


def tables_of(node: Node) -> list[Node]:
    """The tables that a tensor of integers, as it is or cast, picks rows from."""
    embedding = torch.ops.aten.embedding.default
    found = [user.args[0] for user in node.users if user.target is embedding]
    return found + [t for user in node.users if user.target in CASTS for t in tables_of(user)]


CASTS = {torch.ops.aten.to.dtype, torch.ops.aten._to_copy.default}
