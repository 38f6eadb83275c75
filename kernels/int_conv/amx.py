r"""Products of bytes by AMX: tiles of 32 pixels by 32 channels, in eight registers of 1 KB.

A register of codes holds 64 bytes of depth for 16 pixels; one of weights 16 rows of four channels
for 16 lanes, which is how fours.py packs them, with the depth padded to 64 by zeros. Codes are
multiplied as they are, signed or not. A tile whose pixels do not lie evenly is gathered first.

The machine this was written on has no AMX: here the tiles run on `Emulated` registers, in memory,
and the instructions are looked for in the assembly (tests/kernels/test_amx.py).
"""

import ctypes
import functools
import platform

import numpy as np
from llvmlite import ir

from lowbit.kernels import dense, products, window
from lowbit.kernels.dots import VNNI_512
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv import fours
from lowbit.kernels.late import INT8, INT32, types
from lowbit.kernels.layout import Layout
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import (
    I8,
    I32x16,
    as_i64,
    as_u8,
    call,
    copy_bytes,
    intrinsic,
    pointers,
    stack,
    vector_load,
    zeros,
)
from lowbit.spec import QuantSpec

REQUIRES = frozenset({"amx-int8", "amx-tile", *VNNI_512.requires})
PIXELS, LANES, DEPTH = 32, 32, 64
ROW, BYTE = 4 * LANES, int(Layout.BYTE)
SYSCALL, REQUEST, TILE_DATA = 158, 0x1023, 18  # arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)

as_i8, as_i32 = pointers(INT8), pointers(INT32)
memory, load_row, none = stack(4 * 4096), vector_load(I32x16), zeros(I32x16, 2)


@functools.cache
def permitted() -> bool:
    """Linux gives a process the registers when it asks."""
    if platform.system() != "Linux":
        return False
    return ctypes.CDLL(None).syscall(SYSCALL, REQUEST, TILE_DATA) == 0


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][four channels][lane][4] int8."""
    spare = -w.shape[-1] % DEPTH
    padded = np.pad(w.astype(np.int8), ((0, 0), (0, 0), (0, 0), (0, spare)))
    return products.blocks(padded, groups, LANES, unit=4)


class Registers:
    """The instructions. `state` is for emulation; operands are numbers of registers."""

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


@inner
def write_configuration(at):
    """Palette 1: eight registers of 16 rows of 64 bytes."""
    for i in range(8):
        as_i64(at)[i] = 0
    as_u8(at)[0] = 1
    for r in range(8):
        as_u8(at + 16)[2 * r] = 64
        as_u8(at + 48)[r] = 16


def multiplication(registers):
    """Adds one step of depth to the four registers of sums; a and b say where it lies."""
    loads = [registers.load(r) for r in (4, 5, 6, 7)]
    load_a0, load_a1, load_b0, load_b1 = loads
    four = ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7))
    s0, s1, s2, s3 = (registers.dot(*numbers, True) for numbers in four)
    u0, u1, u2, u3 = (registers.dot(*numbers, False) for numbers in four)

    @inner
    def multiply(state, signed, a, pixel, b):
        load_a0(state, a, pixel)
        load_a1(state, a + 16 * pixel, pixel)
        load_b0(state, b, ROW)
        load_b1(state, b + 64, ROW)
        if signed:
            s0(state, a, 0)
            s1(state, a, 0)
            s2(state, a, 0)
            s3(state, a, 0)
        else:
            u0(state, a, 0)
            u1(state, a, 0)
            u2(state, a, 0)
            u3(state, a, 0)

    return multiply


def ends(registers):
    """What comes before and after the multiplications of a tile."""
    configure, release = registers.configure(), registers.release()
    z0, z1, z2, z3 = (registers.zero(c) for c in range(4))
    k0, k1, k2, k3 = (registers.store(c) for c in range(4))
    finish = finisher(2, dense.writer(2))

    @inner
    def begin(state, configuration):
        write_configuration(configuration)
        configure(state, configuration, 0)
        z0(state, 0, 0)
        z1(state, 0, 0)
        z2(state, 0, 0)
        z3(state, 0, 0)

    @inner
    def end(p, state, sums, lane, out, stride):
        k0(state, sums, ROW)
        k1(state, sums + 64, ROW)
        k2(state, sums + 16 * ROW, ROW)
        k3(state, sums + 16 * ROW + 64, ROW)
        release(state, 0, 0)
        row = stride * (4 if p.direct <= window.WORDS else 1)
        for i in range(PIXELS):
            acc = (load_row(sums + ROW * i), load_row(sums + ROW * i + 64))
            finish(p, acc, lane, out + row * i, stride)

    return begin, end


def tile(registers):
    multiply, (begin, end) = multiplication(registers), ends(registers)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        state = memory()
        work, signed = state + 8192, p.x_kind == BYTE
        begin(state, work)
        pixel, steps = p.stride_w * p.x_pixel, (p.depth + DEPTH - 1) // DEPTH
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * steps * 16 * ROW
                for k in range(steps):
                    multiply(state, signed, a + DEPTH * k, pixel, w + 16 * ROW * k)
        end(p, state, work, lane, out, stride)

    return tile_


def gathered(registers):
    """The same for pixels anywhere, from a table of (address, mask): zeros lie outside."""
    multiply, (begin, end) = multiplication(registers), ends(registers)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        state = memory()
        work, signed, shift = state + 8192, p.x_kind == BYTE, x - t.x
        begin(state, work)
        pairs, steps = t.table + 8 * PIXELS, (p.depth + DEPTH - 1) // DEPTH
        for _ in range(p.kh * p.kw):
            for k in range(steps):
                for i in range(PIXELS):
                    at = as_i64(pairs + 16 * i)[0] + shift + DEPTH * k
                    copy_bytes(work + DEPTH * i, at, DEPTH)
                multiply(state, signed, work, DEPTH, weights)
                weights += 16 * ROW
            pairs += 16 * PIXELS
        end(p, state, work, lane, out, stride)

    return tile_


def kernel(registers):
    narrow = fours.tile(VNNI_512, 1, 2, multiple=DEPTH // 4)

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + DEPTH - 1) // DEPTH) * 16 * ROW

    wide, mask = tile(registers), gathered(registers)
    return window.product(wide, narrow, PIXELS, LANES, block_bytes, masked=mask)
