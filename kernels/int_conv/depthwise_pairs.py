"""Each channel by its own kernel, two taps at a time, where no instruction takes four bytes.

The bytes of sixteen channels are loaded for each of two taps, interleaved and widened to int16:
every lane then has both taps of a channel, next to their two weights. The upper and the lower
eight are interleaved apart, since a vector of AVX2 is two of 16 bytes between which it is slow.
"""

import numpy as np
from llvmlite import ir

from lowbit.kernels import dense, listed
from lowbit.kernels.dense import add_pairs
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.depthwise_fours import blocked, fill_pairs, room
from lowbit.kernels.late import types
from lowbit.kernels.layout import Layout
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import I8, I16, I32, I64, Vector, intrinsic, load, offset, zeros
from lowbit.spec import QuantSpec

LANES, TAPS, HALF = 16, 2, 8
ROW = 2 * TAPS * LANES  # bytes of weights for two taps
UBYTE = int(Layout.UBYTE)


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(C, kh, kw, 1) to [block][two taps][channel][2] int16, zero beyond the last."""
    rows = blocked(w, LANES)
    padded = np.pad(rows.astype(np.int16), ((0, 0), (0, 0), (0, rows.shape[2] % TAPS)))
    packed = padded.reshape(len(rows), LANES, -1, TAPS)
    return np.ascontiguousarray(packed.transpose(0, 2, 1, 3))


def step(pixels: int, widen: str):
    """The intrinsic acc + x w for two taps of each pixel; `pairs` and `tap` are as the step of
    depthwise_fours.py has them."""
    codes, shorts = ir.VectorType(I8, LANES), ir.VectorType(I16, LANES)
    index = ir.VectorType(I32, LANES)
    turns = [
        index([c + LANES * tap for c in range(first, first + HALF) for tap in range(TAPS)])
        for first in (0, HALF)
    ]

    @intrinsic
    def step_(typingctx, acc, pairs, tap, channel, w):
        def codegen(context, builder, signature, args):
            acc, pairs, tap, channel, w = args
            weights = [load(builder, offset(builder, w, 2 * LANES * h), shorts, 4) for h in (0, 1)]
            for p in range(pixels):
                base, table = (
                    load(builder, offset(builder, pairs, 16 * p + 8 * i), I64, 8) for i in (0, 1)
                )
                base, table = builder.add(base, channel), builder.add(table, tap)
                taps = []
                for k in range(TAPS):
                    at = load(builder, offset(builder, table, 8 * k), I64, 8)
                    taps.append(load(builder, builder.add(at, base), codes))
                for h in (0, 1):
                    x = getattr(builder, widen)(builder.shuffle_vector(*taps, turns[h]), shorts)
                    i = 2 * p + h
                    total = add_pairs(builder, builder.extract_value(acc, i), x, weights[h])
                    acc = builder.insert_value(acc, total, i)
            return acc

        return acc(acc, *[types.int64] * 4), codegen

    return step_


def tile(pixels: int):
    none, finish = zeros(Vector(I32, HALF), 2 * pixels), finisher(2, dense.writer(2))
    signed, unsigned = step(pixels, "sext"), step(pixels, "zext")

    @inner
    def tile_(p, table, r, c, weights, out, stride):
        acc, pairs, steps = none(), table + 16 * r, (p.kh * p.kw + 1) // TAPS
        if p.x_kind == UBYTE:
            for k in range(steps):
                acc = unsigned(acc, pairs, 8 * TAPS * k, c, weights + ROW * k)
        else:
            for k in range(steps):
                acc = signed(acc, pairs, 8 * TAPS * k, c, weights + ROW * k)
        finish(p, acc, c, out, stride)

    return tile_


def kernel(pixels: int):
    @inner
    def block_bytes(p):
        return (p.kh * p.kw + 1) // TAPS * ROW

    return listed.product(tile(pixels), tile(1), pixels, LANES, block_bytes, fill_pairs, room)
