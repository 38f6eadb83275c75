"""A graph to steps: which layouts each tensor is wanted in, then a kernel for each group.

Backwards over the groups, every consumer says in which layout it wants its operands; forwards,
every step's program ends in a store for each layout wanted of its result. So nothing is packed
or unpacked twice, and a tensor that is only passed along a chain is never stored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lowbit.ir import Graph, Node, TensorType, verify
from lowbit.ir.ops import AvgPool, Concat, Conv, Linear, MaxPool, Mean, Reshape, Transpose
from lowbit.kernels import copy as copies
from lowbit.kernels import elementwise, float_conv, int_conv, plane_conv, pool, xnor_conv
from lowbit.kernels.copy.record import copy as copy_record
from lowbit.kernels.layout import DTYPES, MAX_PLANES, Layout, pixel_bytes, whole, words
from lowbit.kernels.layout import pack as pack_planes
from lowbit.kernels.problem import Problem
from lowbit.kernels.table import Kernel, choose
from lowbit.runtime import program
from lowbit.runtime.fuse import ELEMENTWISE, Group, groups
from lowbit.runtime.program import channels_of, pixels_of, vector
from lowbit.runtime.step import Buffer, Place, Step
from lowbit.spec import BINARY, QuantSpec

TABLES = {
    "xnor_conv": xnor_conv.KERNELS,
    "plane_conv": plane_conv.KERNELS,
    "int_conv": int_conv.KERNELS,
    "float_conv": float_conv.KERNELS,
    "max_pool": pool.MAX_POOL,
    "max_bits": pool.MAX_BITS,
    "avg_pool": pool.AVG_POOL,
    "mean": pool.MEAN,
    "elementwise": elementwise.KERNELS,
    "copy": copies.KERNELS,
}
# A word of 64 channels of one pair of planes costs about as much as so many byte products.
WORD_COST = 4


def packable(spec: QuantSpec | None) -> bool:
    return spec is not None and 1 <= spec.bits <= MAX_PLANES and spec.step in (1, 2)


def product_table(x: TensorType, w: TensorType, groups: int) -> str:
    """The family of kernels for a product."""
    if x.spec is None or w.spec is None:
        return "float_conv"
    depth = w.shape[-1]
    if not (packable(x.spec) and packable(w.spec) and (groups == 1 or depth % 64 == 0)):
        return "int_conv"
    if x.spec == w.spec == BINARY:
        return "xnor_conv"
    planes = x.spec.bits * w.spec.bits * words(depth)
    return "plane_conv" if planes * WORD_COST <= depth else "int_conv"


def two(values: Sequence, fill):
    """One-dimensional windows become two-dimensional ones, of height one."""
    return (fill, *values) if len(values) == 1 else tuple(values)


@dataclass
class Plan:
    """The steps of a graph, settled in an arena later."""

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
                raise NotImplementedError(f"output {name} is a constant")
            self.want(name, whole(self.types[name].spec))
        for group in reversed(made):
            self.demand(group)
        self.inputs = {
            name: self.hold(name, whole(type_.spec)) for name, type_ in self.graph.inputs.items()
        }
        for name in self.graph.inputs:
            self.complete(name)
        for group in made:
            self.lower(group)
        self.outputs = [
            self.held[name][whole(self.types[name].spec)] for name in self.graph.outputs
        ]

    # Which layouts are wanted

    def want(self, name: str, layout: Layout) -> None:
        if name in self.graph.constants:
            return
        layouts = self.wants.setdefault(name, [])
        if layout not in layouts:
            layouts.append(layout)

    def only_planes(self, name: str) -> bool:
        return self.wants.get(name) == [Layout.PLANES]

    def demand(self, group: Group) -> None:
        """What a group reads, and how."""
        for node, carried in group.chain:
            for name in node.inputs:
                if name != carried or node.inputs.count(name) > 1:
                    self.want(name, Layout.FLOAT)
        root = group.root
        if isinstance(root.op, ELEMENTWISE):
            name = group.chain[0][1]
            if not self.wants.get(name):
                self.want(name, whole(self.types[name].spec))
            return
        layout = self.read_layout(root)
        for name in root.inputs:
            self.want(name, layout)

    def read_layout(self, node: Node) -> Layout:
        """The layout in which a node that is not elementwise reads its activations."""
        x, out = self.types[node.inputs[0]], self.types[node.output]
        match node.op:
            case Conv() | Linear():
                return self.product_layout(node)
            case MaxPool() if x.spec == BINARY and self.only_planes(node.output):
                return Layout.PLANES
            case Reshape() | Transpose() | Concat() if self.moves_planes(node):
                return Layout.PLANES
            case Concat():
                return whole(out.spec)
        return whole(x.spec)

    def product_layout(self, node: Node) -> Layout:
        x, w = (self.types[name] for name in node.inputs)
        table = product_table(x, w, getattr(node.op, "groups", 1))
        if table == "float_conv":
            return Layout.FLOAT
        if table in ("xnor_conv", "plane_conv"):
            return Layout.PLANES
        assert w.spec is not None
        return whole(x.spec) if w.spec.magnitude < 2**15 else Layout.INT

    def moves_planes(self, node: Node) -> bool:
        """Whether the words of packed operands can be moved as they are."""
        ins, out = [self.types[name] for name in node.inputs], self.types[node.output]
        if not self.only_planes(node.output) or any(t.spec != out.spec for t in ins):
            return False
        last = len(out.shape) - 1
        aligned = all(channels_of(t) % 64 == 0 for t in (*ins, out))
        match node.op:
            case Concat(axis=axis):
                return axis != last or aligned
            case Transpose(permutation=axes):
                return axes[-1] == last
        same = channels_of(ins[0]) == channels_of(out)
        assert out.spec is not None
        return same or (aligned and out.spec.bits == 1)

    # Where tensors are

    def hold(self, name: str, layout: Layout, shared: Buffer | None = None) -> Buffer:
        type_ = self.types[name]
        size = pixels_of(type_) * pixel_bytes(layout, channels_of(type_), type_.spec)
        buffer = shared or Buffer(name, size, layout)
        self.held.setdefault(name, {})[layout] = buffer
        return buffer

    def complete(self, name: str) -> None:
        """Adds the layouts that are wanted of a tensor and were not stored with it."""
        missing = [w for w in self.wants.get(name, ()) if w not in self.held[name]]
        if missing:
            home, buffer = next(iter(self.held[name].items()))
            begin = [program.load(buffer, home, self.types[name])]
            stores = self.stores(name, missing)
            self.elementwise(name, home, [*begin, *stores], (), f"{name}: to other layouts")

    def stores(self, name: str, layouts: Sequence[Layout]) -> list[program.Instruction]:
        type_ = self.types[name]
        return [program.store(self.hold(name, at), at, type_) for at in layouts]

    # Steps

    def lower(self, group: Group) -> None:
        root = group.root
        match root.op:
            case Conv() | Linear():
                self.product(group)
            case MaxPool() | AvgPool() | Mean():
                self.pool(group)
            case Reshape():
                layout = self.read_layout(root)
                self.hold(root.output, layout, self.held[root.inputs[0]][layout])
                self.rest(group)
            case Transpose() | Concat():
                self.move(root)
                self.rest(group)
            case _:
                self.standalone(group)

    def rest(self, group: Group) -> None:
        """The chain after a root that runs no program."""
        self.complete(group.root.output)
        if group.chain:
            self.standalone(Group(group.chain[0][0], group.chain))

    def standalone(self, group: Group) -> None:
        node, name = group.chain[0]
        type_ = self.types[name]
        if type_.shape != self.types[node.output].shape:
            name, type_ = self.spread(name, node.output)
        layout, buffer = next(iter(self.held[name].items()))
        if layout is Layout.FLOAT and type_.spec is not None:  # a copy for others to read
            layout, buffer = list(self.held[name].items())[-1]
        if layout is Layout.FLOAT:
            self.types[name] = type_ = TensorType(type_.shape, None)
        steps = [program.load(buffer, layout, type_), *self.chain(group)]
        nodes = tuple(n.output for n in group.nodes)
        self.elementwise(node.output, layout, steps, nodes, str(node.op))

    def elementwise(self, name, layout: Layout, steps, nodes, title: str) -> None:
        type_ = self.types[name]
        problem = Problem(channels_of(type_), channels_of(type_), layout=Layout.INT)
        self.step("elementwise", problem, {"x_kind": layout}, pixels_of(type_), steps, nodes, title)

    def step(self, table, problem, places, units, steps=(), nodes=(), title="") -> Step:
        kernel = choose(TABLES[table], problem, self.forced)
        record = problem.record() if isinstance(problem, Problem) else problem
        passed = TABLES[table][: TABLES[table].index(kernel)]
        why = tuple(
            f"{k.name}: {', '.join(k.objections(problem)) or 'not asked for'}" for k in passed
        )
        step = Step(kernel, record, places, units, list(steps), nodes, why, title)
        self.steps.append(step)
        return step

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
        row = 4 * channels
        if type_.value is not None:
            value = np.asarray(type_.value, np.float32)
            if math.prod(type_.shape[:-1]) == 1:
                return {"at": vector(value.reshape(-1), channels)}
            full = np.broadcast_to(value, out.shape).reshape(-1)
            return {"at": vector(full, full.size), "row": row, "mod": pixels}
        if len(type_.shape) == len(out.shape) and channels_of(type_) == channels:
            buffer = self.held[name][Layout.FLOAT]
            if type_.shape == out.shape:
                return {"at": buffer, "row": row}
            if pixels_of(type_) == 1:
                return {"at": buffer, "row": row, "div": pixels}
        name, _ = self.spread(name, node.output)
        return {"at": self.held[name][Layout.FLOAT], "row": row}

    # Roots

    def product(self, group: Group) -> None:
        node = group.root
        x, w = (self.types[name] for name in node.inputs)
        assert w.value is not None
        layout, table = (
            self.product_layout(node),
            product_table(x, w, getattr(node.op, "groups", 1)),
        )
        source = self.held[node.inputs[0]][layout]
        weights, units = w.value, pixels_of(self.types[node.output])
        if isinstance(node.op, Linear):
            problem = Problem(
                x.shape[-1], len(weights), x_spec=x.spec, w_spec=w.spec, layout=layout
            )
            weights = weights[:, None, None, :]
        else:
            problem, source, weights = self.convolution(node, layout, source)
        if table == "float_conv":
            weights = weights.astype(np.float32)
        kernel = choose(TABLES[table], problem, self.forced)
        assert kernel.pack is not None
        packed = kernel.pack(weights, w.spec, problem.groups)
        places: dict[str, Place] = {"x": source, "weights": padded(packed)}
        places["block"] = kernel.tile[1] if kernel.tile else 1
        if table == "plane_conv":
            assert x.spec is not None
            bias = plane_conv.reference.bias(kernel.tile[1], weights, x.spec, problem.groups)
            places["bias"] = padded(bias)
        self.window(table, problem, places, units, group)

    def window(self, table, problem, places, units, group: Group) -> None:
        nodes, steps = tuple(n.output for n in group.nodes), self.chain(group)
        self.step(table, problem, places, units, steps, nodes, str(group.root.op))

    def convolution(self, node: Node, layout: Layout, source: Buffer):
        op, x, w = node.op, self.types[node.inputs[0]], self.types[node.inputs[1]]
        assert isinstance(op, Conv)
        assert w.value is not None
        weights = w.value[:, None] if w.value.ndim == 3 else w.value
        padding, sides = two(op.padding, (0, 0)), two(x.shape[:-1], 1)
        if op.pad_value and any(map(any, padding)):
            source = self.pad(node, layout, source, sides, padding)
            sides = tuple(s + a + b for s, (a, b) in zip(sides, padding, strict=True))
            padding = ((0, 0), (0, 0))
        out = two(self.types[node.output].shape[:-1], 1)
        kernel, stride = weights.shape[1:3], two(op.stride, 1)
        if kernel == stride == (1, 1) and not any(map(any, padding)):
            sides = out = (1, 2**40)  # every pixel is alike: one endless row
        problem = Problem(
            x.shape[-1],
            len(weights),
            sides,
            out,
            kernel,
            stride,
            padding,
            two(op.dilation, 1),
            op.groups,
            x.spec,
            w.spec,
            layout,
        )
        return problem, source, weights

    def pool(self, group: Group) -> None:
        node, layout = group.root, self.read_layout(group.root)
        op, x = node.op, self.types[node.inputs[0]]
        source, channels = self.held[node.inputs[0]][layout], channels_of(x)
        sides = two(x.shape[:-1], 1) if len(x.shape) <= 3 else (math.prod(x.shape[:-1]), 1)
        places: dict[str, Place] = {"x": source}
        geometry = {"groups": channels, "x_spec": x.spec, "layout": layout}
        if isinstance(op, Mean):
            problem = Problem(channels, channels, sides, (1, 1), sides, **geometry)
            table = "mean" if x.spec is None else "avg_pool"
            if x.spec is None:
                half = -(-pixels_of(x) // 2) * 4 * channels
                places |= {"work": Buffer(f"{node.output} work", half), "work_image": half}
        else:
            out = two(self.types[node.output].shape[:-1], 1)
            window = two(op.kernel, 1), two(op.stride, 1), two(op.padding, (0, 0))
            dilation = two(getattr(op, "dilation", (1, 1)), 1)
            problem = Problem(channels, channels, sides, out, *window, dilation, **geometry)
            table = "max_pool" if isinstance(op, MaxPool) else "avg_pool"
            places["include_pad"] = getattr(op, "include_pad", 0)
        if table == "avg_pool" and x.spec is not None:
            reach = x.spec.magnitude * math.prod(problem.kernel)
            if reach >= 2**31:
                raise NotImplementedError(f"{node}: its sums reach {reach}, past int32")
        if layout is Layout.PLANES:
            places["work"] = self.hold(node.output, Layout.PLANES)
            nodes = (node.output,)
            self.step("max_bits", problem, places, math.prod(problem.out), (), nodes, str(op))
            self.rest(group)
            return
        self.window(table, problem, places, math.prod(problem.out), group)

    # Copies

    def copied(self, source, target, sides, item: int, images: tuple[int, int], nodes, title):
        record = copy_record(sides, item)
        places: dict[str, Place] = {"source": source, "target": target}
        places |= {"source_image": images[0], "target_image": images[1]}
        self.step("copy", record, places, int(record["n0"][0]), (), nodes, title)

    def move(self, node: Node) -> None:
        """Transpositions and concatenations, in whole pixels of packed layouts."""
        layout, out = self.read_layout(node), self.types[node.output]
        target = self.hold(node.output, layout)
        item = DTYPES[layout].itemsize
        shape = packed_shape(out, layout)
        strides = byte_strides(shape, item)
        if isinstance(node.op, Transpose):
            x = packed_shape(self.types[node.inputs[0]], layout)
            axes = (*node.op.permutation, *range(len(node.op.permutation), len(x)))
            from_ = byte_strides(x, item)
            sides = [(x[a], from_[a], strides[i]) for i, a in enumerate(axes)]
            source = self.held[node.inputs[0]][layout]
            self.copied(
                source,
                target,
                sides,
                item,
                (source.size, target.size),
                (node.output,),
                str(node.op),
            )
            return
        assert isinstance(node.op, Concat)
        # The planes of a pixel come before its words, so channels are the very last axis.
        axis = node.op.axis if node.op.axis < len(out.shape) - 1 else len(shape) - 1
        start = 0
        for name in node.inputs:
            x = packed_shape(self.types[name], layout)
            source = self.held[name][layout]
            sides = list(zip(x, byte_strides(x, item), strides, strict=True))
            images = (source.size, target.size)
            place = (target, start * strides[axis])
            self.copied(source, place, sides, item, images, (node.output,), str(node.op))
            start += x[axis]

    def spread(self, name: str, like: str) -> tuple[str, TensorType]:
        """The float tensor `name`, repeated to the shape of another."""
        x, shape = self.types[name], self.types[like].shape
        new = f"{name} as {like}"
        if len(x.shape) != len(shape):
            raise NotImplementedError(f"{like}: {x} broadcasts across the batch")
        self.types[new] = TensorType(shape, None)
        if Layout.FLOAT not in self.held[name]:
            self.want(name, Layout.FLOAT)
            self.complete(name)
        source, target = self.held[name][Layout.FLOAT], self.hold(new, Layout.FLOAT)
        steps = byte_strides(x.shape, 4)
        repeat = [0 if a == 1 else s for a, s in zip(x.shape, steps, strict=True)]
        sides = list(zip(shape, repeat, byte_strides(shape, 4), strict=True))
        self.copied(source, target, sides, 4, (source.size, target.size), (), f"{name}: repeated")
        return new, self.types[new]

    def pad(self, node: Node, layout: Layout, source: Buffer, sides, padding) -> Buffer:
        """A copy of the input with a border of the pad value."""
        x = self.types[node.inputs[0]]
        assert isinstance(node.op, Conv)
        pixel = pixel_bytes(layout, channels_of(x), x.spec)
        codes = np.full(channels_of(x), node.op.pad_value)
        if layout is Layout.PLANES:
            assert x.spec is not None
            one = pack_planes(codes, x.spec)
        else:
            one = codes.astype(DTYPES[layout])
        h, w = (s + a + b for s, (a, b) in zip(sides, padding, strict=True))
        target = Buffer(f"{node.inputs[0]} padded", h * w * pixel, layout)
        one, size, title = padded(one), (0, target.size), f"{node.inputs[0]}: padded"
        self.copied(one, target, [(h, 0, w * pixel), (w, 0, pixel)], pixel, size, (), title)
        start = (padding[0][0] * w + padding[1][0]) * pixel
        rows = [(sides[0], sides[1] * pixel, w * pixel), (sides[1], pixel, pixel)]
        images = (source.size, target.size)
        self.copied(source, (target, start), rows, pixel, images, (), title)
        return target


def packed_shape(type_: TensorType, layout: Layout) -> tuple[int, ...]:
    if layout is not Layout.PLANES:
        return type_.shape
    assert type_.spec is not None
    return (*type_.shape[:-1], type_.spec.bits, words(type_.shape[-1]))


def byte_strides(shape: Sequence[int], item: int) -> tuple[int, ...]:
    return tuple(item * math.prod(shape[i + 1 :]) for i in range(len(shape)))


def padded(values: np.ndarray) -> np.ndarray:
    """Aligned to a cache line, with slack for the last vector."""
    raw = np.zeros(values.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64
    out = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    out[:] = values
    return out


__all__ = ["Kernel", "Plan"]
