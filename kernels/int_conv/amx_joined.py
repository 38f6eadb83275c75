"""Convolution of few channels by AMX: all inputs of a pixel lie side by side, as one tap.

64 bytes of depth a tap would be mostly padding where there are three channels. So the taps of each
pixel are copied into one row first, and weights are packed for a single tap of kh kw C channels.
"""

import numpy as np

from lowbit.kernels import dense, listed, window
from lowbit.kernels.dots import VNNI_512, Dot
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv import amx, fours
from lowbit.kernels.int_conv.amx import DEPTH, LANES, PIXELS, ROW
from lowbit.kernels.requantize import finisher
from lowbit.kernels.simd import copy_bytes, zeros
from lowbit.spec import QuantSpec

CHUNK = 16  # bytes copied at a time
MOST = 512  # inputs a pixel: a run of 64 has room


def pack(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C) to [block][four inputs][lane][4] int8."""
    return amx.pack(w.reshape(len(w), 1, 1, -1), spec, groups)


@inner
def inputs(p):
    return p.kh * p.kw * p.depth


@inner
def steps_of(p):
    return (inputs(p) + DEPTH - 1) // DEPTH


@inner
def row_bytes(p):
    """Of a pixel, and what copying writes too much."""
    return (inputs(p) + CHUNK - 1 + DEPTH - 1) // DEPTH * DEPTH


@inner
def room(p):
    return listed.TABLE // row_bytes(p)


@inner
def copy(kind, source, target, count):
    """What is written past the end is written again, or multiplied by zero."""
    for c in range(0, count, CHUNK):
        copy_bytes(target + c, source + c, CHUNK)


def wide_tile(registers):
    multiply, clear = amx.multiplication(registers), amx.clearing(registers)
    leave = amx.leaving(registers)

    @inner
    def tile(p, table, r, c, weights, out, stride):
        state, pixel, signed = amx.memory(), row_bytes(p), p.x_kind == amx.BYTE
        clear(state)
        for k in range(steps_of(p)):
            a = table + pixel * r + DEPTH * k
            multiply(state, signed, True, a, pixel, weights + 16 * ROW * k)
        leave(p, state, state + 8192, PIXELS, c, out, stride)

    return tile


def narrow_tile(dot: Dot):
    vectors = LANES // dot.lanes
    none, finish = zeros(dot.vector, vectors), finisher(vectors, dense.writer(vectors))
    step, add, turns = fours.step(dot, 1, vectors, False), fours.add_row(dot, vectors), dot.turns

    @inner
    def tile(p, table, r, c, weights, out, stride):
        acc, turned = none(), p.x_kind == turns
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, p.bias + 4 * c)
        for k in range((inputs(p) + 3) // 4):
            acc = step(acc, table + row_bytes(p) * r + 4 * k, 0, weights + ROW * k, flip)
        finish(p, acc, c, out, stride)

    return tile


def kernel(registers, dot: Dot = VNNI_512):
    @inner
    def block_bytes(p):
        return steps_of(p) * 16 * ROW

    begin, end = amx.layout_of(registers)
    fill, stage = listed.rows_of_inputs(copy, 1, row_bytes), window.Stage(begin=begin, end=end)
    tiles = wide_tile(registers), narrow_tile(dot)
    return listed.product(*tiles, PIXELS, LANES, block_bytes, fill, room, stage=stage)
