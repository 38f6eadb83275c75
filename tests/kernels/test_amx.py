"""AMX: its tiles on emulated registers against plain sums, its instructions in assembly."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from one_convolution import check_row, convolution
from plain_dot import AVX2

from lowbit.ir import TensorType, ops
from lowbit.kernels.int_conv import amx_registers
from lowbit.kernels.int_conv.rows import amx_joined_row, amx_row
from lowbit.spec import INT8, unsigned

SCRIPT = Path(__file__).parents[2] / "scripts" / "assembly.py"
EMULATED = amx_row("int_conv_emulated_32x32", amx_registers.Emulated(), AVX2.requires, AVX2)
SAME = ((1, 1), ((1, 1), (1, 1)), (1, 1))  # strides, padding, dilation
VALID = ((1, 1), ((0, 0), (0, 0)), (1, 1))
HALVED = ((2, 2), ((0, 0), (0, 0)), (1, 1))
JOINED = amx_joined_row("int_conv_joined_emulated", amx_registers.Emulated(), AVX2.requires)


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
    rng = np.random.default_rng(outs)
    w = rng.integers(-127, 128, (outs, 3, 3, channels // groups))
    x = TensorType((*sides, channels), x_spec)
    check_row(row, convolution(ops.Conv(*places, groups), w, x, form), monkeypatch)


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
