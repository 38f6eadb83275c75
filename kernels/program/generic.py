"""The program runner: every instruction is a pass in steps of sixteen channels.

Vectors may read past the last channel, into the next pixel or the slack that ends every buffer;
what they compute there stays in the padding of the scratch. Stores are exact.
"""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.program import INSTRUCTION, Op, eight_bit, functions, steps, vectors
from lowbit.kernels.program.vectors import (
    LANES,
    load_f32,
    load_i32,
    store_f32,
    store_i8,
    store_i32,
)
from lowbit.kernels.record import reader
from lowbit.kernels.simd import as_f32, as_i32, as_u16

instruction = reader(INSTRUCTION)
SIZE = INSTRUCTION.itemsize


@inner
def operand(i, pixel):
    """The address of the operand's row for a pixel."""
    if i.div != 1:
        pixel = pixel // i.div
    if i.mod != 0:
        pixel = pixel % i.mod
    return i.at + pixel * i.row


@inner
def threshold(i, is_float, x, c0, width):
    """Equation (1) with the thresholds of a level side by side."""
    for c in range(0, width, LANES):
        count = vectors.fill(0)
        t = i.at + 4 * (c0 + c)
        for _ in range(i.levels):
            if is_float:
                count = vectors.count_f32(count, load_f32(x + 4 * c), load_f32(t))
            else:
                count = vectors.count_i32(count, load_i32(x + 4 * c), load_i32(t))
            t += 4 * i.channels
        base, slope = load_i32(i.second + 4 * (c0 + c)), load_i32(i.third + 4 * (c0 + c))
        store_i32(x + 4 * c, vectors.multiply_add(slope, count, base), LANES)


@inner
def search(i, x, t, out, c0, width):
    """Equation (1) by bisection, with the thresholds of a channel side by side."""
    base, slope = as_i32(i.second + 4 * c0), as_i32(i.third + 4 * c0)
    for c in range(width):
        start = (c0 + c) * i.levels * i.by_channel
        low, length = start, i.levels
        while length > 0:
            half = length >> 1
            if x[c] >= t[low + half]:
                low += half + 1
                length -= half + 1
            else:
                length = half
        out[c] = np.int32(base[c] + slope[c] * (low - start))


@inner
def load_planes(i, row, x, c0, width):
    words = (i.channels + 63) // 64
    for c in range(0, width, LANES):
        codes = vectors.fill(i.lo)
        for plane in range(i.planes):
            bits = row + 8 * plane * words + (c0 + c) // 8
            codes = vectors.add_bits(codes, bits, i.step << plane)
        store_i32(x + 4 * c, codes, LANES)


@inner
def store_planes(i, x, row, c0, width):
    """Whole words, unused bits zero."""
    words = (i.channels + 63) // 64
    shift = i.step - 1  # an index is (code - lo) / step, and step is 1 or 2
    for plane in range(i.planes):
        out = as_u16(row + 8 * plane * words + c0 // 8)
        for c in range(0, (width + 63) // 64 * 64, LANES):
            bits = vectors.bits_of(load_i32(x + 4 * c), i.lo, shift + plane)
            spare = max(0, min(LANES, c + LANES - width))
            out[c // LANES] = np.uint16(bits & (0xFFFF >> spare))


@inner
def step(i, op, x, at, c0, width):
    """One instruction on one pixel."""
    word = at + 4 * c0
    if op == Op.LOAD_PLANES:
        load_planes(i, at, x, c0, width)
    elif op == Op.STORE_PLANES:
        store_planes(i, x, at, c0, width)
    elif op == Op.THRESHOLD_INT:
        threshold(i, False, x, c0, width)
    elif op == Op.THRESHOLD_FLOAT:
        threshold(i, True, x, c0, width)
    elif op == Op.SEARCH_INT:
        search(i, as_i32(x), as_i32(i.at), as_i32(x), c0, width)
    elif op == Op.SEARCH_FLOAT:
        search(i, as_f32(x), as_f32(i.at), as_i32(x), c0, width)
    elif op == Op.LOOKUP:
        n, table = as_i32(x), as_i32(i.at)
        for c in range(width):
            n[c] = table[(c0 + c) * i.levels * i.by_channel + n[c] - i.lo]
    elif op == Op.STEPS_INT:
        steps.uniform(i, False, x, c0, width)
    elif op == Op.STEPS_FLOAT:
        steps.uniform(i, True, x, c0, width)
    elif op == Op.STEPS_NEAREST:
        steps.rounded(i, False, x, c0, width)
    elif op == Op.STEPS_QUOTIENT:
        steps.rounded(i, True, x, c0, width)
    elif op == Op.NEAR_INT:
        steps.near(i, False, x, c0, width)
    elif op == Op.NEAR_FLOAT:
        steps.near(i, True, x, c0, width)
    elif op >= Op.ABS:
        functions.step(op, x, word, width)
    elif op >= Op.REQUANTIZE_D:
        eight_bit.step(i, op, x, at, c0, width)
    else:
        for c in range(0, width, LANES):
            a, b = x + 4 * c, word + 4 * c
            if op == Op.LOAD_WORD:
                store_i32(a, load_i32(b), LANES)
            elif op == Op.LOAD_BYTE:
                store_i32(a, vectors.load_i8(at + c0 + c), LANES)
            elif op == Op.LOAD_UBYTE:
                store_i32(a, vectors.load_u8(at + c0 + c), LANES)
            elif op == Op.STORE_WORD:
                store_i32(b, load_i32(a), width - c)
            elif op == Op.STORE_AS_FLOAT:
                store_f32(b, vectors.to_float(load_i32(a)), width - c)
            elif op == Op.STORE_BYTE:
                store_i8(at + c0 + c, load_i32(a), width - c)
            elif op == Op.TO_FLOAT:
                store_f32(a, vectors.to_float(load_i32(a)), LANES)
            elif op == Op.ADD:
                store_f32(a, vectors.add(load_f32(a), load_f32(b)), LANES)
            elif op == Op.SUB:
                store_f32(a, vectors.sub(load_f32(a), load_f32(b)), LANES)
            elif op == Op.SUB_FROM:
                store_f32(a, vectors.sub(load_f32(b), load_f32(a)), LANES)
            elif op == Op.MUL:
                store_f32(a, vectors.mul(load_f32(a), load_f32(b)), LANES)
            elif op == Op.DIV:
                store_f32(a, vectors.div(load_f32(a), load_f32(b)), LANES)
            elif op == Op.RELU:
                store_f32(a, vectors.relu(load_f32(a)), LANES)
            elif op == Op.CLAMP:
                low = vectors.greater(load_f32(a), load_f32(b))
                store_f32(a, vectors.smaller(low, load_f32(i.second + 4 * (c0 + c))), LANES)
            elif op == Op.PRELU:
                store_f32(a, vectors.prelu(load_f32(a), load_f32(b)), LANES)


def run(program, scratch, first, count, c0, width, stride):
    while True:
        i = instruction(program)
        op = i.op
        if op == Op.END:
            return
        for r in range(count):
            step(i, op, scratch + 4 * stride * r, operand(i, first + r), c0, width)
        program += SIZE
