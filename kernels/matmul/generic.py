"""A row of the result at a time, sixty-four columns of it in registers."""

import numpy as np

from lowbit.kernels.codes import load_codes
from lowbit.kernels.entry import inner
from lowbit.kernels.layout import Layout
from lowbit.kernels.matmul.reference import MATMUL
from lowbit.kernels.program import vectors
from lowbit.kernels.program.eight_bit import plus, times
from lowbit.kernels.program.vectors import LANES, load_f32, store_f32, store_i32
from lowbit.kernels.record import reader
from lowbit.kernels.simd import as_f32, as_i32, as_u8

parameters = reader(MATMUL)
UBYTE, BYTE, INT = int(Layout.UBYTE), int(Layout.BYTE), int(Layout.INT)
WIDE = 4 * LANES


def fits_floats(record: np.ndarray) -> str:
    return "" if record["a_kind"][0] == Layout.FLOAT else "needs floats"


def fits_codes(record: np.ndarray) -> str:
    return "needs codes" if record["a_kind"][0] == Layout.FLOAT else ""


@inner
def step_f32(total, x, y):
    return vectors.add(total, vectors.mul(vectors.fill_float(x), load_f32(y)))


def floats(address, lo, hi):
    p = parameters(address)
    row = 4 * p.width
    for unit in range(lo, hi):
        a, b = as_f32(p.a + 4 * p.depth * unit), p.b + unit // p.rows * p.depth * row
        out, c = p.out + row * unit, 0
        while c + WIDE <= p.width:
            t0, t1 = vectors.fill_float(np.float32(0)), vectors.fill_float(np.float32(0))
            t2, t3 = vectors.fill_float(np.float32(0)), vectors.fill_float(np.float32(0))
            for k in range(p.depth):
                y = b + k * row + 4 * c
                t0, t1 = step_f32(t0, a[k], y), step_f32(t1, a[k], y + 64)
                t2, t3 = step_f32(t2, a[k], y + 128), step_f32(t3, a[k], y + 192)
            store_f32(out + 4 * c, t0, LANES)
            store_f32(out + 4 * c + 64, t1, LANES)
            store_f32(out + 4 * c + 128, t2, LANES)
            store_f32(out + 4 * c + 192, t3, LANES)
            c += WIDE
        while c < p.width:
            total = vectors.fill_float(np.float32(0))
            for k in range(p.depth):
                total = step_f32(total, a[k], b + k * row + 4 * c)
            store_f32(out + 4 * c, total, p.width - c)
            c += LANES


@inner
def code_at(kind, at, k):
    if kind == UBYTE:
        return np.int64(as_u8(at)[k])
    if kind == BYTE:
        return np.int64(np.int8(as_u8(at)[k]))
    return np.int64(as_i32(at)[k])


@inner
def size_of(kind):
    return 4 if kind == INT else 1


def codes(address, lo, hi):
    p = parameters(address)
    a_row, b_row = p.depth * size_of(p.a_kind), p.width * size_of(p.b_kind)
    for unit in range(lo, hi):
        a, b = p.a + a_row * unit, p.b + unit // p.rows * p.depth * b_row
        for c in range(0, p.width, LANES):
            total = vectors.fill(0)
            for k in range(p.depth):
                x = vectors.fill(code_at(p.a_kind, a, k) - p.zero_a)
                y = plus(load_codes(p.b_kind, b + k * b_row, c), vectors.fill(-p.zero_b))
                total = plus(total, times(x, y))
            store_i32(p.out + 4 * (unit * p.width + c), total, p.width - c)
