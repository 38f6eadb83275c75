"""Random graphs through the planner and the kernels, against the definition of every operator."""

import numpy as np
import pytest
from guard import protect

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.ir.op import InvalidGraph
from lowbit.ir.verify import verify
from lowbit.runtime import Network
from lowbit.spec import BINARY, INT8, NARROW_INT8, TERNARY, QuantSpec, odd, unsigned

FEW_BITS = (BINARY, BINARY, BINARY, TERNARY, unsigned(1), unsigned(2), unsigned(4), odd(2), odd(3))
SPECS = (*FEW_BITS, unsigned(8), INT8)
WEIGHTS = (BINARY, BINARY, BINARY, TERNARY, odd(2), odd(4), NARROW_INT8, odd(8))
CHANNELS = (1, 3, 8, 17, 63, 64, 65, 128)


class Builder:
    """Grows a graph node by node; a node that breaks a rule of the IR is not added."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: dict[str, TensorType] = {}
        self.constants: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {}

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def input(self, shape, spec) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = self.types[name] = TensorType(shape, spec)
        return name

    def constant(self, value, spec=None) -> str:
        name = f"c{len(self.constants)}"
        type_ = TensorType(np.shape(value), spec)
        type_ = TensorType(type_.shape, spec, np.asarray(value).astype(type_.dtype))
        self.constants[name] = self.types[name] = type_
        return name

    def codes(self, shape, spec):
        return self.rng.integers(0, spec.levels, shape) * spec.step + spec.lo

    def values(self, shape, spec):
        if spec is None:
            return self.rng.normal(size=shape).astype(np.float32)
        return self.codes(shape, spec)

    def add(self, op, *names) -> str | None:
        output = f"t{len(self.nodes)}"
        try:
            self.types[output] = op.infer(*(self.types[name] for name in names))
            if self.types[output].spec is not None:
                assert self.types[output].spec.magnitude < 2**31
        except (InvalidGraph, AssertionError):
            self.types.pop(output, None)
            return None
        self.nodes.append(Node(op, names, output))
        return output

    def graph(self, *outputs: str) -> Graph:
        graph = Graph(self.inputs, self.constants, tuple(self.nodes), outputs)
        verify(graph)
        return graph

    def data(self, graph: Graph, images: int) -> list[np.ndarray]:
        return [
            self.values((images, *t.shape), t.spec).astype(t.dtype) for t in graph.inputs.values()
        ]

    # Random nodes

    def threshold(self, x: str, spec=None) -> str | None:
        spec, type_ = spec or self.pick(*SPECS), self.types[x]
        rows = self.pick(1, type_.shape[-1])
        size = (rows, spec.levels - 1)
        if type_.spec is None:
            t = self.constant(np.sort(self.rng.normal(size=size).astype(np.float32) * 3, 1))
        else:
            span = max(1, type_.spec.magnitude // 4)
            t = np.sort(self.rng.integers(-span, span + 1, size), 1)
            t = self.constant(t, QuantSpec(-span, span))
        falling = self.constant(self.rng.integers(0, 2, rows), unsigned(1))
        return self.add(ops.Threshold(spec.lo, spec.hi, spec.step), x, t, falling)

    def conv(self, x: str) -> str | None:
        type_, rng = self.types[x], self.rng
        dims, channels = len(type_.shape) - 1, type_.shape[-1]
        outs, weight, groups = self.pick(*CHANNELS), self.pick(*WEIGHTS, *WEIGHTS, None), 1
        if rng.random() < 0.3:
            groups = self.pick(*(g for g in (2, 3, 8, 64, channels) if channels % g == 0), 1)
            outs = groups * self.pick(1, 1, 2, 5)
        kernel = tuple(int(v) for v in rng.integers(1, 4, dims))
        w = self.values((outs, *kernel, type_.shape[-1] // groups), weight)
        pads = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (dims, 2)))
        value = 0
        if type_.spec is not None and rng.random() < 0.3:
            value = int(self.pick(type_.spec.lo, type_.spec.hi))
        stride, dilation = (tuple(int(v) for v in rng.integers(1, 3, dims)) for _ in "sd")
        return self.add(
            ops.Conv(stride, pads, dilation, int(groups), value), x, self.constant(w, weight)
        )

    def linear(self, x: str) -> str | None:
        spec = self.pick(*WEIGHTS, None)
        w = self.values((self.pick(*CHANNELS), self.types[x].shape[-1]), spec)
        return self.add(ops.Linear(), x, self.constant(w, spec))

    def arithmetic(self, x: str) -> str | None:
        op, shape = self.pick(ops.Add, ops.Sub, ops.Mul, ops.Div), self.types[x].shape
        if self.rng.random() < 0.4:
            same = [n for n in self.tensors() if self.types[n].shape in (shape, one_pixel(shape))]
            other = self.pick(*same)
            return self.add(op(), *((x, other) if self.rng.random() < 0.5 else (other, x)))
        size = self.pick((), (1,), shape[-1:], shape)
        return self.add(op(), x, self.constant(self.rng.uniform(0.5, 2, size).astype(np.float32)))

    def activation(self, x: str) -> str | None:
        kind = self.pick("relu", "clamp", "prelu")
        if kind == "prelu":
            size = self.pick((), (1,), self.types[x].shape[-1:])
            return self.add(ops.PRelu(), x, self.constant(self.rng.normal(size=size)))
        return self.add(ops.Relu() if kind == "relu" else ops.Clamp(-1.0, 1.5), x)

    def lookup(self, x: str) -> str | None:
        type_ = self.types[x]
        if type_.spec is None or type_.spec.magnitude > 2000:
            return None
        spec, rows = self.pick(*SPECS), self.pick(1, type_.shape[-1])
        width = type_.spec.hi - type_.spec.lo + 1
        table = self.constant(self.codes((rows, width), spec), spec)
        return self.add(ops.Lookup(type_.spec.lo), x, table)

    def pool(self, x: str) -> str | None:
        dims = len(self.types[x].shape) - 1
        kernel = tuple(int(v) for v in self.rng.integers(1, 4, dims))
        stride = tuple(int(v) for v in self.rng.integers(1, 3, dims))
        pads = tuple((int(self.rng.integers(0, k)), int(self.rng.integers(0, k))) for k in kernel)
        kind = self.pick("max", "avg", "mean")
        if kind == "mean":
            return self.add(ops.Mean(), x)
        if kind == "avg":
            return self.add(ops.AvgPool(kernel, stride, pads, int(self.rng.integers(2))), x)
        # A dilated window in the padding may miss a small image altogether.
        dilation = tuple(1 if any(p) else int(self.rng.integers(1, 3)) for p in pads)
        return self.add(ops.MaxPool(kernel, stride, pads, dilation), x)

    def shape(self, x: str) -> str | None:
        shape = self.types[x].shape
        kind = self.pick("reshape", "transpose", "concat")
        if kind == "reshape":
            return self.add(ops.Reshape(self.pick((int(np.prod(shape)),), (1, *shape))), x)
        if kind == "transpose":
            return self.add(
                ops.Transpose(tuple(int(v) for v in self.rng.permutation(len(shape)))), x
            )
        axis = int(self.rng.integers(len(shape)))
        return self.add(ops.Concat(axis), x, self.pick(*self.tensors()), x)

    def tensors(self) -> list[str]:
        return [*self.inputs, *(n.output for n in self.nodes)]

    def step(self) -> None:
        recent = self.tensors()[-4:]
        x = self.pick(*recent)
        grow = self.pick(
            self.threshold,
            self.threshold,
            self.conv,
            self.conv,
            self.linear,
            self.arithmetic,
            self.arithmetic,
            self.activation,
            self.lookup,
            self.pool,
            self.shape,
        )
        if self.types[x].shape and len(self.types[x].shape) <= 3:
            if grow in (self.conv, self.pool) and len(self.types[x].shape) == 1:
                grow = self.linear
            grow(x)


def one_pixel(shape):
    return (*[1] * (len(shape) - 1), *shape[-1:])


def random_graph(seed: int) -> tuple[Builder, Graph]:
    b = Builder(seed)
    sides = b.pick((), (9,), (7, 6), (5, 11))
    for _ in range(b.pick(1, 1, 2)):
        b.input((*sides, b.pick(*CHANNELS)), b.pick(*SPECS, *SPECS, None))
    while len(b.nodes) < 8:
        b.step()
    used = {name for node in b.nodes for name in node.inputs}
    loose = [n.output for n in b.nodes if n.output not in used or b.rng.random() < 0.1]
    return b, b.graph(*loose)


def agrees(graph: Graph, inputs, **options) -> None:
    """In the arena, and with every tensor and constant before a page that nobody may touch."""
    with np.errstate(all="ignore"):
        want = evaluate(graph, *inputs)
    network = Network(graph, **options)
    for place in (lambda network: None, protect):
        place(network)
        got = network(*inputs)
        got = got if isinstance(got, tuple) else (got,)
        for name, w, g in zip(graph.outputs, want, got, strict=True):
            assert g.dtype == w.dtype, name
            np.testing.assert_array_equal(g, w, err_msg=name)


@pytest.mark.parametrize("seed", range(150))
def test_a_random_graph_is_its_definition(seed):
    b, graph = random_graph(seed)
    agrees(graph, b.data(graph, 3), batch=b.pick(1, 2, 4))


@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_on_references_is_its_definition(seed):
    b, graph = random_graph(1000 + seed)
    agrees(graph, b.data(graph, 2), batch=2, kernel="reference")
