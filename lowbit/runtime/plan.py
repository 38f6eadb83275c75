"""A graph to steps: which layouts each tensor is wanted in, then a kernel for each group.

Backwards over the groups, every consumer says in which layout it wants its operands; forwards,
every step's program ends in a store for each layout wanted of its result. So nothing is packed
or unpacked twice, and a tensor that is only passed along a chain is never stored.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lowbit.ir import Graph, Node, verify
from lowbit.ir.ops import (
    AvgPool,
    Concat,
    Conv,
    Embed,
    Linear,
    MatMul,
    Max,
    MaxPool,
    Mean,
    MeanCodes,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    SoftmaxD,
    SoftmaxF,
    Spread,
    Sum,
    Transpose,
)
from lowbit.kernels.layout import Layout, pixel_bytes, whole
from lowbit.kernels.limit import Limit
from lowbit.kernels.problem import Problem
from lowbit.kernels.table import choose
from lowbit.runtime import eight_bit, move, place, pool, product, program, rows
from lowbit.runtime.fuse import ELEMENTWISE, Group, groups
from lowbit.runtime.kernels import TABLES
from lowbit.runtime.program import channels_of, pixels_of, vector
from lowbit.runtime.step import Buffer, Place, Step


@dataclass(frozen=True)
class Rule:
    """How a root operator is planned: the layout it reads, and its steps."""

    reads: Callable[["Plan", Node], Layout]
    lower: Callable[["Plan", Group], None]


RULES = {
    Conv: Rule(product.reads, product.lower),
    Linear: Rule(product.reads, product.lower),
    MaxPool: Rule(pool.reads, pool.lower),
    AvgPool: Rule(pool.reads, pool.lower),
    Mean: Rule(pool.reads, pool.lower),
    MeanCodes: Rule(pool.reads, pool.lower),
    Reshape: Rule(move.reads, move.reshape),
    Transpose: Rule(move.reads, move.transpose),
    Concat: Rule(move.reads, move.concat),
    Slice: Rule(place.reads, place.cut),
    Pad: Rule(place.reads, place.pad),
    Spread: Rule(place.reads, place.spread),
    Embed: Rule(place.reads_index, place.embed),
    ResizeNearest: Rule(place.reads, place.resize),
    Max: Rule(rows.reads, rows.halve),
    Sum: Rule(rows.reads, rows.halve),
    MatMul: Rule(rows.reads_pair, rows.matmul),
    SoftmaxD: Rule(rows.reads_bytes, rows.softmax),
    SoftmaxF: Rule(rows.reads_bytes, rows.softmax),
}


@dataclass
class Plan:
    """The steps of a graph. Its buffers get their places in an arena later."""

    graph: Graph
    forced: str | None = None
    fuse: bool = True
    steps: list[Step] = field(default_factory=list)
    wants: dict[str, list[Layout]] = field(default_factory=dict)
    held: dict[str, dict[Layout, Buffer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.types = verify(self.graph)
        made = groups(self.graph, self.types, self.fuse)
        for name in self.graph.outputs:
            if name in self.graph.constants:
                raise Limit(f"output {name} is a constant")
            self.want(name, whole(self.types[name].spec))
        for group in reversed(made):
            self.demand(group)
        self.inputs = {
            name: self.hold(name, whole(type_.spec)) for name, type_ in self.graph.inputs.items()
        }
        for name in self.graph.inputs:
            self.complete(name)
        for group in made:
            rule = RULES.get(type(group.root.op))
            (rule.lower if rule else Plan.standalone)(self, group)
        self.outputs = [
            self.held[name][whole(self.types[name].spec)] for name in self.graph.outputs
        ]

    # Which layouts are wanted

    def want(self, name: str, layout: Layout) -> None:
        if name not in self.graph.constants and layout not in self.wants.setdefault(name, []):
            self.wants[name].append(layout)

    def demand(self, group: Group) -> None:
        """What a group reads, and how."""
        for node, carried in group.chain:
            for name in node.inputs:
                if name != carried or node.inputs.count(name) > 1:
                    self.want(name, eight_bit.operand_layout(node, self.types[name]))
        if isinstance(group.root.op, ELEMENTWISE):
            name = group.chain[0][1]
            if not any(self.own(name, layout) for layout in self.wants.get(name, ())):
                self.want(name, whole(self.types[name].spec))
            return
        layout = self.reads(group.root)
        for name in group.root.inputs:
            self.want(name, layout)

    def reads(self, node: Node) -> Layout:
        """The layout in which a root that is not elementwise reads its activations."""
        return RULES[type(node.op)].reads(self, node)

    def own(self, name: str, layout: Layout) -> bool:
        """Whether a layout holds the tensor as it is: codes held as floats are for arithmetic."""
        return (layout is Layout.FLOAT) == (self.types[name].spec is None)

    # Where tensors are

    def hold(self, name: str, layout: Layout, shared: Buffer | None = None) -> Buffer:
        """A tensor's buffer in a layout: a new one, or another tensor's."""
        type_ = self.types[name]
        size = pixels_of(type_) * pixel_bytes(layout, channels_of(type_), type_.spec)
        buffer = shared or Buffer(name, size, layout)
        self.held.setdefault(name, {})[layout] = buffer
        return buffer

    def complete(self, name: str) -> None:
        """Adds the layouts that are wanted of a tensor and were not stored with it."""
        missing = [w for w in self.wants.get(name, ()) if w not in self.held[name]]
        if missing:
            home, load = self.load(name)
            steps = [load, *self.stores(name, missing)]
            self.elementwise(name, home, steps, (), f"{name}: to other layouts")

    def load(self, name: str) -> tuple[Layout, program.Instruction]:
        """Brings a tensor's codes or floats to the scratch."""
        layout = next(at for at in self.held[name] if self.own(name, at))
        return layout, program.load(self.held[name][layout], layout, self.types[name])

    def stores(self, name: str, layouts: Sequence[Layout]) -> list[program.Instruction]:
        type_ = self.types[name]
        return [program.store(self.hold(name, at), at, type_) for at in layouts]

    # Steps

    def step(
        self, table: str, problem, places, units: int, steps=(), nodes=(), title="", chosen=None
    ) -> Step:
        """`chosen` is a kernel and the times of its rivals, where they were measured."""
        times: dict[str, float] = {}
        kernel, times = chosen or (choose(TABLES[table], problem, self.forced), times)
        record = problem.record() if isinstance(problem, Problem) else problem
        better = [k for k in TABLES[table] if k.name != kernel.name and k.name in times]
        why = [f"{k.name}: {times[k.name]:.2g} ms, not {times[kernel.name]:.2g}" for k in better]
        for k in TABLES[table][: TABLES[table].index(kernel)]:
            if k.name not in times:
                why.append(f"{k.name}: {', '.join(k.objections(problem)) or 'not asked for'}")
        step = Step(kernel, record, places, units, list(steps), tuple(nodes), tuple(why), title)
        self.steps.append(step)
        return step

    def window(self, table: str, problem: Problem, places, group: Group, chosen=None) -> Step:
        """A step that computes a root's values and runs the chain on them."""
        type_, nodes = self.types[group.root.output], [n.output for n in group.nodes]
        steps = self.chain(group)
        units, title = pixels_of(type_), str(group.root.op)
        return self.step(table, problem, places, units, steps, nodes, title, chosen)

    def elementwise(self, name: str, layout: Layout, steps, nodes, title: str) -> None:
        type_ = self.types[name]
        problem = Problem(channels_of(type_), channels_of(type_), layout=Layout.INT)
        places: dict[str, Place] = {"x_kind": layout}
        self.step("elementwise", problem, places, pixels_of(type_), steps, nodes, title)

    def standalone(self, group: Group) -> None:
        """A chain on a tensor in memory."""
        node, name = group.chain[0]
        if self.types[name].shape != self.types[node.output].shape:
            layout = eight_bit.operand_layout(node, self.types[name])
            whole_name = move.spread(self, name, node.output, layout)
            inputs = tuple(whole_name if n == name else n for n in node.inputs)
            node, name = replace(node, inputs=inputs), whole_name
            group = Group(group.root, [(node, name), *group.chain[1:]])
        layout, load = self.load(name)
        nodes = [n.output for n, _ in group.chain]
        steps = [load, *self.chain(Group(node, group.chain))]
        self.elementwise(node.output, layout, steps, nodes, str(node.op))

    def rest(self, group: Group) -> None:
        """The chain after a root whose kernel runs no program."""
        self.complete(group.root.output)
        if group.chain:
            self.standalone(group)

    def chain(self, group: Group) -> list[program.Instruction]:
        """The instructions of a group after its root's values are in the scratch."""
        steps: list[program.Instruction] = []
        if not isinstance(group.root.op, ELEMENTWISE):
            steps += self.stores(group.root.output, self.wants.get(group.root.output, ()))
        for node, carried in group.chain:
            steps += program.step_of(node, carried, self.types, self.operand)
            steps += self.stores(node.output, self.wants.get(node.output, ()))
        return steps

    def operand(self, node: Node, name: str) -> program.Instruction:
        """The other operand of arithmetic: a vector over channels, or a tensor's rows."""
        type_, out = self.types[name], self.types[node.output]
        channels, pixels = channels_of(out), pixels_of(out)
        layout = eight_bit.operand_layout(node, type_)
        row = pixel_bytes(layout, channels, type_.spec)
        if type_.value is not None and layout is Layout.FLOAT:
            value = np.asarray(type_.value, np.float32)
            if math.prod(type_.shape[:-1]) == 1:
                return {"at": vector(value.reshape(-1), channels)}
            full = np.broadcast_to(value, out.shape).reshape(-1)
            return {"at": vector(full, full.size), "row": row, "mod": pixels}
        if type_.shape != out.shape:
            if type_.shape == (*[1] * (len(out.shape) - 1), channels):  # one pixel an image
                return {"at": self.held[name][layout], "row": row, "div": pixels}
            name = move.spread(self, name, node.output, layout)
        return {"at": self.held[name][layout], "row": row}
