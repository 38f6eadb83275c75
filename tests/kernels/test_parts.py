"""Weights that are sums of bytes: the parts themselves, and the rows that multiply each of them."""

import numpy as np
import pytest
from one_convolution import check_row, convolution
from plain_dot import AVX2

from lowbit.ir import TensorType, ops
from lowbit.kernels.int_conv import amx_registers
from lowbit.kernels.int_conv.parts import apart
from lowbit.kernels.int_conv.rows import amx_joined_row, joined_row
from lowbit.spec import INT8, NARROW_INT8, QuantSpec, unsigned

DOREFA = QuantSpec(-255, 255, 2)
ROWS = (
    joined_row("int_conv_joined_emulated", AVX2, 4, 2),
    amx_joined_row("int_conv_joined_emulated_tiles", amx_registers.Emulated(), AVX2.requires),
)


@pytest.mark.parametrize(
    ("spec", "count"),
    [(NARROW_INT8, 1), (INT8, 1), (QuantSpec(-129, 5), 2), (DOREFA, 3), (QuantSpec(-381, 381), 3)],
    ids=str,
)
def test_parts_add_up(spec, count):
    w = np.arange(spec.lo, spec.hi + 1, spec.step).reshape(1, -1, 1, 1)
    found = apart(w, spec)
    assert found.dtype == np.int8
    parts = found.reshape(1, count, -1, 1, 1).astype(int)
    np.testing.assert_array_equal(parts.sum(1), w)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("x_spec", [INT8, unsigned(8)], ids=str)
@pytest.mark.parametrize("spec", [DOREFA, QuantSpec(-381, 381)], ids=str)
@pytest.mark.parametrize("padding", [((3, 3), (2, 3)), ((0, 0), (0, 0))], ids=["padded", "valid"])
def test_rows_multiply_every_part(row, x_spec, spec, padding, monkeypatch):
    rng = np.random.default_rng(0)
    w = rng.integers(0, spec.levels, (40, 5, 5, 3)) * spec.step + spec.lo
    w.flat[:2] = spec.lo, spec.hi
    conv = ops.Conv((2, 2), padding, (1, 1), 1)
    graph = convolution(conv, w, TensorType((11, 41, 3), x_spec), spec=spec)
    check_row(row, graph, monkeypatch)


def test_weights_of_more_parts_are_not_for_them():
    from lowbit.kernels.layout import Layout
    from lowbit.kernels.problem import Problem

    spec = QuantSpec(-382, 382)
    problem = Problem(3, 8, kernel=(3, 3), x_spec=INT8, w_spec=spec, layout=Layout.BYTE)
    for row in ROWS:
        assert row.objections(problem)[-1] == "needs weights of 3 int8 at most"
