"""Tiles that requantize in registers: the operators' definitions, at widths around every block."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.kernels.requantize import SUM_F
from lowbit.runtime import Network
from lowbit.spec import INT8, NARROW_INT8, TERNARY, Codes, Parameters, QuantSpec, unsigned

ROWS = [k for k in int_conv.KERNELS if k.codes]
SAME = ((1, 1), (1, 1))


def constant(values, spec=None) -> TensorType:
    array = np.asarray(values)
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


def layer(form, kernel, outs: int, x_spec: QuantSpec, groups: int = 1):
    """A convolution and its requantization; factors span what keeps, clips and rounds codes."""
    rng = np.random.default_rng(outs)
    depth = outs // groups if groups > 1 else 5
    w_spec = TERNARY if {"few", "avx2"} & set(kernel.name.split("_")) else NARROW_INT8
    w = rng.integers(w_spec.lo, w_spec.hi + 1, (outs, 3, 3, depth))
    scales = 2.0 ** rng.integers(-12, -2, outs) * rng.choice([1, 0.75, 0.6], outs)
    constants = {
        "w": constant(w, w_spec),
        "bias": constant(rng.integers(-500, 500, outs), QuantSpec(-500, 500)),
        "scales": constant(scales.astype(np.float32)),
    }
    nodes = (
        Node(ops.Conv((1, 1), SAME, (1, 1), groups), ("x", "w"), "sums"),
        Node(form(0.05, Codes(0.05, -7, -128, 120)), ("sums", "bias", "scales"), "y"),
    )
    shape = (3, 7, depth * groups)
    return Graph({"x": TensorType(shape, x_spec)}, constants, nodes, ("y",))


def network_of(graph: Graph, kernel) -> Network:
    try:
        return Network(graph, batch=2, kernel=kernel.name)
    except LookupError as error:
        pytest.skip(str(error))


def codes_of(spec: QuantSpec, shape, rng) -> np.ndarray:
    return rng.integers(spec.lo, spec.hi + 1, shape).astype(np.int8 if spec.lo < 0 else np.uint8)


@pytest.mark.parametrize("form", [ops.RequantizeD, ops.RequantizeF])
@pytest.mark.parametrize("kernel", ROWS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("outs", [1, 17, 64, 65, 130])
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
def test_codes_are_the_definitions(form, kernel, outs, x_spec):
    depthwise = "depthwise" in kernel.name
    graph = layer(form, kernel, outs, x_spec, outs if depthwise else 1)
    network = network_of(graph, kernel)
    x = codes_of(x_spec, (2, 3, 7, graph.inputs["x"].shape[-1]), np.random.default_rng(0))
    (want,) = evaluate(graph, x)
    np.testing.assert_array_equal(network(x), want)


@pytest.mark.parametrize("kernel", ROWS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("outs", [17, 64, 130])
@pytest.mark.parametrize("other", [INT8, unsigned(8)], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_codes_are_added_to_others_in_registers(kernel, outs, other, sign):
    """As at the end of a residual block, whichever operand the sums are."""
    depthwise = "depthwise" in kernel.name
    graph = layer(ops.RequantizeF, kernel, outs, INT8, outs if depthwise else 1)
    order = ("y", "r") if sign > 0 else ("r", "y")
    add = ops.AddF(Parameters(0.05, -7), Parameters(0.07, 5), sign, Codes(0.06, 3, -128, 120))
    nodes = (*graph.nodes, Node(add, order, "z"))
    inputs = graph.inputs | {"r": TensorType((3, 7, outs), other)}
    graph = Graph(inputs, graph.constants, nodes, ("z",))
    network, rng = network_of(graph, kernel), np.random.default_rng(0)
    assert network.plan.steps[-1].places["direct"] == SUM_F
    x = codes_of(INT8, (2, *graph.inputs["x"].shape), rng)
    given = (x, codes_of(other, (2, 3, 7, outs), rng))
    np.testing.assert_array_equal(network(*given), evaluate(graph, *given)[0])


def test_one_pixel_for_all_is_added_by_a_program():
    kernel = next(k for k in ROWS if not k.objections())
    base = layer(ops.RequantizeF, kernel, 64, INT8)
    add = ops.AddF(Parameters(0.05, -7), Parameters(0.07, 5), 1, Codes(0.06, 3, -128, 120))
    inputs = base.inputs | {"r": TensorType((1, 1, 64), INT8)}
    graph = Graph(inputs, base.constants, (*base.nodes, Node(add, ("y", "r"), "z")), ("z",))
    network, rng = Network(graph, batch=2), np.random.default_rng(0)
    assert not network.plan.steps[-1].places.get("direct")
    given = tuple(codes_of(INT8, (2, *t.shape), rng) for t in inputs.values())
    np.testing.assert_array_equal(network(*given), evaluate(graph, *given)[0])
