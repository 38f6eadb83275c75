"""AMX: its tiles on emulated registers against plain sums, its instructions in assembly."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plain_dot import AVX2

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.kernels import int_conv
from lowbit.kernels.int_conv import amx_registers
from lowbit.kernels.int_conv.rows import amx_joined_row, amx_row
from lowbit.runtime import Network
from lowbit.runtime.kernels import TABLES
from lowbit.spec import INT8, NARROW_INT8, Codes, QuantSpec, unsigned

SCRIPT = Path(__file__).parents[2] / "scripts" / "assembly.py"


EMULATED = amx_row("int_conv_emulated_32x32", amx_registers.Emulated(), AVX2.requires, AVX2)
SAME = ((1, 1), ((1, 1), (1, 1)), (1, 1))  # strides, padding, dilation
VALID = ((1, 1), ((0, 0), (0, 0)), (1, 1))
HALVED = ((2, 2), ((0, 0), (0, 0)), (1, 1))
JOINED = amx_joined_row("int_conv_joined_emulated", amx_registers.Emulated(), AVX2.requires)


def constant(values, spec=None) -> TensorType:
    type_ = TensorType(np.shape(values), spec)
    return TensorType(type_.shape, spec, np.asarray(values, type_.dtype))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "sides", "channels", "outs", "groups", "x_spec", "places"),
    [
        (EMULATED, (9, 40), 64, 33, 1, INT8, SAME),
        (EMULATED, (7, 11), 70, 64, 1, unsigned(8), SAME),
        (EMULATED, (5, 35), 128, 64, 2, INT8, SAME),
        (EMULATED, (3, 12), 300, 40, 1, INT8, SAME),  # 8 pixels are left over
        (EMULATED, (9, 40), 512, 128, 1, INT8, SAME),  # runs of 96: what is gathered is much
        (EMULATED, (12, 17), 64, 32, 1, INT8, ((2, 1), ((0, 3), (2, 1)), (1, 2))),
        (EMULATED, (9, 30), 64, 32, 1, INT8, VALID),  # rows of 28: tiles with pixels to spare
        (EMULATED, (7, 58), 70, 40, 1, unsigned(8), VALID),
        (EMULATED, (6, 16), 64, 64, 1, INT8, VALID),
        (EMULATED, (9, 31), 64, 32, 1, INT8, HALVED),
        (JOINED, (21, 23), 3, 40, 1, unsigned(8), ((2, 2), ((3, 3), (2, 3)), (1, 1))),
        (JOINED, (9, 35), 3, 64, 1, INT8, SAME),
        (JOINED, (9, 16), 13, 5, 1, INT8, ((1, 1), ((2, 0), (0, 2)), (2, 1))),
        (JOINED, (9, 67), 3, 33, 1, INT8, HALVED),
        (JOINED, (5, 35), 31, 40, 1, INT8, VALID),
    ],
)
@pytest.mark.parametrize("form", [None, ops.RequantizeF])
def test_emulated_tiles_are_the_definition(
    row, sides, channels, outs, groups, x_spec, places, form, monkeypatch
):
    if row.objections():
        pytest.skip("; ".join(row.objections()))
    monkeypatch.setitem(TABLES, "int_conv", (row, *int_conv.KERNELS))
    rng = np.random.default_rng(outs)
    w = rng.integers(-127, 128, (outs, 3, 3, channels // groups))
    wide = QuantSpec(-(2**10), 2**10)
    constants = {"w": constant(w, NARROW_INT8)}
    nodes = [Node(ops.Conv(*places, groups), ("x", "w"), "y")]
    if form:
        constants["bias"] = constant(rng.integers(-500, 500, outs), wide)
        constants["scales"] = constant(np.full(outs, 0.01, np.float32))
        nodes.append(Node(form(0.05, Codes(0.5, 3)), ("y", "bias", "scales"), "z"))
    x_type = TensorType((*sides, channels), x_spec)
    graph = Graph({"x": x_type}, constants, tuple(nodes), (nodes[-1].output,))
    x = rng.integers(x_spec.lo, x_spec.hi + 1, (2, *x_type.shape)).astype(x_type.dtype)
    network = Network(graph, batch=2, kernel=row.name)
    assert [step.kernel.name for step in network.plan.steps] == [row.name]
    (want,) = evaluate(graph, x)
    np.testing.assert_array_equal(network(x), want)


def test_few_channels_are_not_for_it():
    from lowbit.kernels.layout import Layout
    from lowbit.kernels.problem import Problem

    problem = Problem(3, 8, x_spec=INT8, w_spec=INT8, layout=Layout.BYTE)
    assert EMULATED.objections(problem)[-1] == "needs 32 channels a group"


@pytest.mark.slow
@pytest.mark.parametrize("row", ["int_conv_amx_32x32", "int_conv_joined_amx_32x32"])
def test_the_instructions_are_in_its_assembly(row):
    features = "+amx-int8,+amx-tile,+avx512f,+avx512bw,+avx512vl,+avx512vnni"
    command = [sys.executable, str(SCRIPT), row, "x86_64-linux-gnu", features]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for mnemonic in ("ldtilecfg", "tilezero", "tileloadd", "tdpbssd", "tdpbusd", "tilestored"):
        assert mnemonic in text
