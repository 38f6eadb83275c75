"""Tiles that requantize in registers: the operators' definitions, at widths around every block."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.runtime import Network
from lowbit.spec import INT8, NARROW_INT8, TERNARY, Codes, QuantSpec, unsigned

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


@pytest.mark.parametrize("form", [ops.RequantizeD, ops.RequantizeF])
@pytest.mark.parametrize("kernel", ROWS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("outs", [1, 17, 64, 65, 130])
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
def test_codes_are_the_definitions(form, kernel, outs, x_spec):
    depthwise = "depthwise" in kernel.name
    graph = layer(form, kernel, outs, x_spec, outs if depthwise else 1)
    try:
        network = Network(graph, batch=2, kernel=kernel.name)
    except LookupError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(0)
    x = rng.integers(x_spec.lo, x_spec.hi + 1, (2, 3, 7, graph.inputs["x"].shape[-1]))
    x = x.astype(graph.inputs["x"].dtype)
    (want,) = evaluate(graph, x)
    np.testing.assert_array_equal(network(x), want)
