"""Dot instructions: each against sums of products where this CPU has it, else in assembly."""

import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from lowbit.kernels import cpu, dots, entry
from lowbit.kernels.late import types
from lowbit.kernels.simd import I64, intrinsic, load, store

DOTS = {
    "vnni_512": (dots.VNNI_512, "x86_64-linux-gnu", "vpdpbusd"),
    "vnni_256": (dots.VNNI_256, "x86_64-linux-gnu", "vpdpbusd"),
    "avx_vnni": (dots.AVX_VNNI, "x86_64-linux-gnu", "vpdpbusd"),
    "avx2": (dots.AVX2, "x86_64-linux-gnu", "vpmaddubsw"),
    "neon": (dots.NEON, "aarch64-linux-gnu", "sdot"),
}
every = pytest.mark.parametrize("name", DOTS)
SCRIPT = Path(__file__).parents[2] / "scripts" / "assembly.py"


def emit(dot, builder, acc, x, w) -> None:
    values = (load(builder, at, dot.vector.llvm) for at in (acc, x, w))
    store(builder, dot.emit(builder, *values), acc)


@every
def test_the_back_end_makes_the_instruction(name):
    dot, triple, mnemonic = DOTS[name]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * 3), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    emit(dot, builder, *function.args)
    builder.ret_void()
    features = ",".join(f"+{f}" for f in dot.requires)
    machine = llvm.Target.from_triple(triple).create_target_machine(features=features)
    assert mnemonic in machine.emit_assembly(llvm.parse_assembly(str(module)))


@every
def test_it_adds_four_products_a_lane(name):
    dot = DOTS[name][0]
    if missing := dot.requires - cpu.features():
        pytest.skip(f"needs {', '.join(sorted(missing))}")

    @intrinsic
    def multiply(typingctx, acc, x, w):
        def codegen(context, builder, signature, args):
            emit(dot, builder, *args)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 3), codegen

    def run(acc, x, w):
        multiply(acc, x, w)

    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (dot.lanes, 4)).astype(np.uint8)
    w = rng.integers(-128, 128, (dot.lanes, 4)).astype(np.int8)
    if dot.narrow:
        w //= 2
    acc = rng.integers(-1000, 1000, dot.lanes).astype(np.int32)
    turned = x.view(np.int8) if dot.turns == dots.UBYTE else x
    want = acc + (turned.astype(np.int32) * w).sum(1)
    entry.compiled(run, f"test_{name}")(acc.ctypes.data, x.ctypes.data, w.ctypes.data)
    np.testing.assert_array_equal(acc, want)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "triple", "features", "mnemonics"),
    [
        ("int_conv_neon_4x16", "aarch64-linux-gnu", "+neon,+dotprod", ["sdot"]),
        ("int_conv_joined_neon_4x16", "aarch64-linux-gnu", "+neon,+dotprod", ["sdot"]),
        ("int_conv_depthwise_neon_2x16", "aarch64-linux-gnu", "+neon,+dotprod", ["sdot", "zip1"]),
        ("xnor_conv_2x8", "aarch64-linux-gnu", "+neon", ["cnt"]),
        ("plane_conv_2x8", "aarch64-linux-gnu", "+neon", ["cnt"]),
        ("int_conv_avxvnni_4x16", "x86_64-linux-gnu", "+avx2,+avxvnni", ["vpdpbusd"]),
        ("int_conv_depthwise_avxvnni_1x32", "x86_64-linux-gnu", "+avx2,+avxvnni", ["vpdpbusd"]),
    ],
)
def test_whole_rows_compile_for_other_cpus(row, triple, features, mnemonics):
    command = [sys.executable, str(SCRIPT), row, triple, features]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    instructions = {
        line.replace("{vex}", "").split()[0] for line in text.splitlines() if line.strip()
    }
    assert instructions >= set(mnemonics)
