r"""Products of bytes where no instruction takes four at a time: pairs of int16, to int32.

The inputs of a run of pixels are widened to int16 once, all taps of a pixel in one row, and then
multiplied by every block of channels: a pair of them is broadcast straight from memory. Weights
that are bytes stay so, which halves what a layer reads, and are widened in registers; others are
int16. A row's last pairs may hold what is no input of its own: their weights are zero.
"""

import numpy as np
from llvmlite import ir

from lowbit.kernels import dense, listed, products
from lowbit.kernels.entry import inner
from lowbit.kernels.layout import Layout
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import (
    I8,
    I16,
    I32,
    I32x16,
    Vector,
    load,
    splat,
    vector_load,
    vector_store,
    zeros,
)
from lowbit.spec import QuantSpec

UBYTE = int(Layout.UBYTE)
STEP = 16  # codes widened at a time
TABLE = 256 * 1024  # bytes for the rows of a run: each run reads all weights again
MOST = TABLE // 8 - 128  # inputs a pixel: a tile of four has room

I16x16 = Vector(I16, STEP)
load_signed = vector_load(I16x16, I8, "sext")
load_unsigned = vector_load(I16x16, I8, "zext")
keep = vector_store(I16x16)


class Pairs:
    """Two int16 by two weights of so many bits, as dense.py has its kinds."""

    def __init__(self, bits: int) -> None:
        self.weight = ir.VectorType(ir.IntType(bits), 2 * dense.LANES)
        self.row = dense.LANES * bits // 4

    @staticmethod
    def spread(builder, address, mask):
        pair = load(builder, address, I32)
        return builder.bitcast(splat(builder, pair, dense.LANES), dense.PAIRS)

    @staticmethod
    def add(builder, acc, x, w):
        wide = w if w.type == dense.PAIRS else builder.sext(w, dense.PAIRS)
        return dense.add_pairs(builder, acc, x, wide)


def pack(dtype: type, block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C) to [block][pair of a pixel's inputs][lane][2], pairs in twos."""
    flat: np.ndarray = w.astype(dtype).reshape(len(w), 1, 1, -1)
    padded = np.pad(flat, ((0, 0), (0, 0), (0, 0), (0, -flat.shape[3] % 4)))
    return products.blocks(padded, groups, block, unit=2)


@inner
def pairs(p):
    return (p.kh * p.kw * p.depth + 3) // 4 * 2


@inner
def row_bytes(p):
    """Of a widened pixel, and what its last vector has too many."""
    return (4 * pairs(p) + 2 * STEP + 63) // 64 * 64


@inner
def room(p):
    return TABLE // row_bytes(p)


@inner
def widen(kind, source, target, count):
    """What is written past the end is written again, or multiplied by zero."""
    if kind == UBYTE:
        for c in range(0, count, STEP):
            keep(target + 2 * c, load_unsigned(source + c), STEP)
    else:
        for c in range(0, count, STEP):
            keep(target + 2 * c, load_signed(source + c), STEP)


def tile(kind: Pairs, pixels: int, vectors: int):
    none, finish = zeros(I32x16, pixels * vectors), finisher(vectors, dense.writer(vectors))
    step, row = dense.step(kind, vectors), kind.row * vectors

    @inner
    def tile_(p, table, r, c, weights, out, stride):
        acc, pixel = none(), row_bytes(p)
        x = table + pixel * r
        for k in range(0, pairs(p), 2):
            acc = step(acc, x + 4 * k, pixel, weights + row * k, 0)
            acc = step(acc, x + 4 * k + 4, pixel, weights + row * k + row, 0)
        finish(p, acc, c, out, stride)

    return tile_


def kernel(bits: int, pixels: int, vectors: int):
    kind = Pairs(bits)
    row = kind.row * vectors

    @inner
    def block_bytes(p):
        return pairs(p) * row

    wide, narrow = tile(kind, pixels, vectors), tile(kind, 1, vectors)
    block = dense.LANES * vectors
    fill = listed.rows_of_inputs(widen, 2, row_bytes)
    return listed.product(wide, narrow, pixels, block, block_bytes, fill, room, TABLE)
