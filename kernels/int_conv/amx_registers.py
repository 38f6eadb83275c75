"""The registers of AMX, and what stands for them where there are none.

Each method gives what compiled code calls as run(state, address, stride). Operands that name
registers are constants of the instructions.
"""

import ctypes
import functools
import platform

import numpy as np
from llvmlite import ir

from lowbit.kernels import packed
from lowbit.kernels.entry import inner
from lowbit.kernels.late import INT8, INT32, types
from lowbit.kernels.simd import I8, as_i64, as_u8, call, copy_bytes, intrinsic, pointers

SYSCALL, REQUEST, TILE_DATA = 158, 0x1023, 18  # arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)

as_i8, as_i32 = pointers(INT8), pointers(INT32)


@functools.cache
def permitted() -> bool:
    """Linux gives a process the registers when it asks."""
    if platform.system() != "Linux":
        return False
    return ctypes.CDLL(None).syscall(SYSCALL, REQUEST, TILE_DATA) == 0


class Registers:
    """The instructions. `state` is for emulation; operands are numbers of registers."""

    packs = packed.AVX512

    @staticmethod
    def make(name: str, numbers: tuple[int, ...], operands: int):
        @intrinsic
        def run(typingctx, state, address, stride):
            def codegen(context, builder, signature, args):
                given = [builder.inttoptr(args[1], I8.as_pointer()), args[2]][:operands]
                constants = [ir.Constant(I8, n) for n in numbers]
                call(builder, f"llvm.x86.{name}", ir.VoidType(), *constants, *given)
                return context.get_dummy_value()

            return types.void(*[types.int64] * 3), codegen

        return run

    def configure(self):
        return self.make("ldtilecfg", (), 1)

    def release(self):
        return self.make("tilerelease", (), 0)

    def zero(self, c: int):
        return self.make("tilezero", (c,), 0)

    def load(self, r: int):
        return self.make("tileloadd64", (r,), 2)

    def store(self, r: int):
        return self.make("tilestored64", (r,), 2)

    def dot(self, c: int, a: int, b: int, signed: bool):
        return self.make("tdpbssd" if signed else "tdpbusd", (c, a, b), 0)


class Emulated:
    """The same in plain code, on eight times 1 KB at `state`."""

    packs = None

    def configure(self):
        @inner
        def run(state, address, stride): ...

        return run

    release = configure

    def zero(self, c: int):
        @inner
        def run(state, address, stride):
            for i in range(128):
                as_i64(state + 1024 * c)[i] = 0

        return run

    def load(self, r: int):
        @inner
        def run(state, address, stride):
            for i in range(16):
                copy_bytes(state + 1024 * r + 64 * i, address + stride * i, 64)

        return run

    def store(self, r: int):
        @inner
        def run(state, address, stride):
            for i in range(16):
                copy_bytes(address + stride * i, state + 1024 * r + 64 * i, 64)

        return run

    def dot(self, c: int, a: int, b: int, signed: bool):
        as_code = as_i8 if signed else as_u8

        @inner
        def run(state, address, stride):
            sums, x, w = (
                as_i32(state + 1024 * c),
                as_code(state + 1024 * a),
                as_i8(state + 1024 * b),
            )
            for m in range(16):
                for n in range(16):
                    total = np.int64(sums[16 * m + n])
                    for k in range(64):
                        total += np.int64(x[64 * m + k]) * np.int64(
                            w[64 * (k // 4) + 4 * n + k % 4]
                        )
                    sums[16 * m + n] = np.int32(total)

        return run
