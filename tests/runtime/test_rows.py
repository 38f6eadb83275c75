"""Functions, reductions, products of tensors and moved values: kernels against definitions."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.runtime import Network
from lowbit.spec import INT8, Codes, Parameters, QuantSpec, unsigned

KERNELS = (None, "reference")
WIDE = QuantSpec(-200, 200)


def same(op, shapes, specs, constants=(), scale=1.0):
    rng = np.random.default_rng(sum(map(len, shapes)))
    inputs = {
        f"x{i}": TensorType(s, spec) for i, (s, spec) in enumerate(zip(shapes, specs, strict=True))
    }
    known = {f"c{i}": c for i, c in enumerate(constants)}
    nodes = (Node(op, (*inputs, *known), "y"),)
    graph = Graph(inputs, known, nodes, ("y",))
    data = [
        rng.integers(t.spec.lo, t.spec.hi + 1, (3, *t.shape)).astype(t.dtype)
        if t.spec
        else (rng.normal(size=(3, *t.shape)) * scale).astype(np.float32)
        for t in inputs.values()
    ]
    (want,) = evaluate(graph, *data)
    for kernel in KERNELS:
        np.testing.assert_array_equal(Network(graph, 2, kernel)(*data), want)


@pytest.mark.parametrize("width", [1, 15, 16, 33])
@pytest.mark.parametrize("op", [ops.Abs(), ops.Exp(), ops.Sigmoid()], ids=lambda op: op.name)
def test_functions(op, width):
    same(op, [(3, width)], [None], scale=40)


def test_functions_of_integers():
    same(ops.Sigmoid(), [(2, 5)], [INT8])
    same(ops.Sqrt(), [(2, 5)], [unsigned(8)])


@pytest.mark.parametrize(("shape", "axes"), [((1,), 1), ((5, 7), 1), ((2, 3, 37), 2), ((64,), 1)])
@pytest.mark.parametrize("op", [ops.Max, ops.Sum])
def test_reductions(op, shape, axes):
    same(op(axes), [shape], [None])
    same(op(axes), [shape], [INT8])


@pytest.mark.parametrize("width", [1, 17, 64, 150])
def test_matmul_of_floats(width):
    same(ops.MatMul((0, 0)), [(2, 3, 9), (2, 9, width)], [None, None])
    same(ops.MatMul((0, 0)), [(3, 9), (9, width)], [INT8, None])


@pytest.mark.parametrize("specs", [(INT8, INT8), (unsigned(8), INT8), (WIDE, unsigned(2))], ids=str)
def test_matmul_of_codes(specs):
    same(ops.MatMul((3, -5)), [(2, 3, 9), (2, 9, 17)], specs)


@pytest.mark.parametrize("spec", [None, INT8, unsigned(8), WIDE], ids=str)
def test_moves(spec):
    same(ops.Slice(0, 1, 4, 2), [(5, 3, 2)], [spec])
    same(ops.Slice(2, 1, 2, 1), [(5, 3, 2)], [spec])
    same(ops.Pad(((1, 0), (0, 2)), -1), [(5, 3, 2)], [spec])
    same(ops.Spread((2, 3), 5), [(5, 3, 2)], [spec])
    same(ops.Spread((2,), 0), [(5, 17)], [spec])
    same(ops.ResizeNearest((7, 6)), [(5, 3, 2)], [spec])


@pytest.mark.parametrize("spec", [None, INT8], ids=str)
@pytest.mark.parametrize("index", [unsigned(7), unsigned(8), QuantSpec(0, 299)], ids=str)
def test_embedding(spec, index):
    rng = np.random.default_rng(0)
    rows = rng.integers(-9, 9, (300, 5)).astype(np.float32 if spec is None else np.int8)
    same(ops.Embed(), [(4, 2)], [index], [TensorType(rows.shape, spec, rows)])


def test_division_by_a_tensor_and_of_a_constant():
    one = TensorType((), None, np.ones((), np.float32))
    inputs = {"x": TensorType((4, 5), None), "s": TensorType((4, 1), None)}
    nodes = (
        Node(ops.Div(), ("x", "s"), "a"),
        Node(ops.Div(), ("c", "s"), "b"),
        Node(ops.Div(), ("b", "a"), "y"),
    )
    graph = Graph(inputs, {"c": one}, nodes, ("y", "a"))
    rng = np.random.default_rng(0)
    x, s = (rng.normal(size=(3, *t.shape)).astype(np.float32) for t in inputs.values())
    for kernel in KERNELS:
        for got, want in zip(Network(graph, 2, kernel)(x, s), evaluate(graph, x, s), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shapes", [((4, 5, 1), (4, 5, 3)), ((4, 1, 3), (1, 5, 1))])
def test_codes_broadcast_along_any_side(shapes):
    codes, operands = Codes(0.5, 3), (Parameters(0.5, 1), Parameters(0.25, -2))
    same(ops.AddD(*operands, 1, codes), shapes, (INT8, INT8))
    same(ops.AddF(*operands, -1, codes), shapes[::-1], (INT8, unsigned(8)))
    same(ops.MulCodes((1, -2)), shapes, (unsigned(8), INT8))


@pytest.mark.parametrize("shapes", [((4, 1, 3), (1, 5, 1)), ((1, 5, 1), (4, 1, 3))])
def test_floats_broadcast_along_any_side(shapes):
    for op in (ops.Sub(), ops.Add(), ops.Mul()):
        same(op, shapes, (None, None))
        same(op, shapes, (INT8, None))
