"""Depthwise rows of instructions that this machine may lack, on a plain one."""

import numpy as np
import pytest
from one_convolution import check_row, convolution, images
from plain_dot import AVX2

from lowbit.ir import TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.kernels.int_conv.rows import depthwise_rolled_row
from lowbit.runtime import Network
from lowbit.spec import INT8, unsigned

ROWS = [depthwise_rolled_row("int_conv_emulated_rolled", AVX2, 8, vectors) for vectors in (2, 4)]
SAME, VALID = ((1, 1), (1, 1)), ((0, 0), (0, 0))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("channels", [16, 31, 32, 49])
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
@pytest.mark.parametrize(
    ("sides", "stride", "padding", "dilation"),
    [
        ((9, 21), (1, 1), SAME, (1, 1)),
        ((5, 3), (1, 1), VALID, (1, 1)),
        ((6, 9), (2, 1), ((0, 2), (1, 0)), (1, 1)),
        ((9, 12), (1, 1), ((2, 2), (1, 1)), (2, 1)),
        ((1, 1), (1, 1), SAME, (1, 1)),
    ],
)
@pytest.mark.parametrize(("form", "pad_value"), [(None, 0), (ops.RequantizeF, 0), (None, 7)])
def test_columns_that_roll_are_the_definition(
    row, channels, x_spec, sides, stride, padding, dilation, form, pad_value, monkeypatch
):
    w = np.random.default_rng(channels).integers(-127, 128, (channels, 3, 3, 1))
    conv = ops.Conv(stride, padding, dilation, channels, pad_value)
    graph = convolution(conv, w, TensorType((*sides, channels), x_spec), form)
    check_row(row, graph, monkeypatch)


@pytest.mark.parametrize(
    "row", [k for k in int_conv.KERNELS if "depthwise" in k.name], ids=lambda row: row.name
)
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
def test_borders_of_any_code(row, x_spec):
    """Rows that read taps outside the image need no copy of it; the one that does not, one."""
    w = np.random.default_rng(0).integers(-127, 128, (64, 3, 3, 1))
    conv = ops.Conv((1, 1), ((1, 1), (0, 2)), (1, 1), 64, x_spec.hi)
    graph = convolution(conv, w, TensorType((5, 19, 64), x_spec))
    try:
        network = Network(graph, batch=2, kernel=row.name)
    except LookupError as error:
        pytest.skip(str(error))
    assert (len(network.plan.steps) == 1) == row.pads
    x = images(graph.inputs["x"])
    np.testing.assert_array_equal(network(x), evaluate(graph, x)[0])


def test_strides_and_other_kernels_are_not_for_it():
    from lowbit.kernels.layout import Layout
    from lowbit.kernels.problem import Problem

    for change in ({"stride": (1, 2)}, {"kernel": (5, 5)}, {"dilation": (1, 2)}):
        geometry = {"kernel": (3, 3), **change}
        problem = Problem(
            32, 32, groups=32, x_spec=INT8, w_spec=INT8, layout=Layout.BYTE, **geometry
        )
        assert ROWS[0].objections(problem)[-1] == "needs neighbouring pixels under 3 by 3 taps"
