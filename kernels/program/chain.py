"""Neighbouring instructions of arithmetic in one pass: 64 channels stay in registers from the first
to the last of them."""

import numpy as np

from lowbit.kernels.entry import inlined, inner
from lowbit.kernels.program import Op, blocks
from lowbit.kernels.program.blocks import BLOCK
from lowbit.kernels.program.instructions import SIZE, instruction, operand
from lowbit.kernels.simd import as_u64


@inner
def threshold(i, is_float, x, at, c):
    """Equation (1) of reference.py, with the thresholds of a level side by side."""
    count, t = blocks.nothing(), i.at + 4 * c
    for _ in range(i.levels):
        if is_float:
            count = blocks.count_floats(count, x, at, t)
        else:
            count = blocks.count_ints(count, x, at, t)
        t += 4 * i.channels
    return blocks.multiply_add(count, at, i.third + 4 * c, i.second + 4 * c)


@inner
def load_planes(i, x, at, row, c):
    words = (i.channels + 63) // 64
    x = blocks.filled(x, i.lo)
    for plane in range(i.planes):
        x = blocks.add_bits(x, at, row + 8 * (plane * words + c // 64), i.step << plane)
    return x


@inner
def store_planes(i, x, row, c, left):
    """A whole word, unused bits zero."""
    words, shift = (i.channels + 63) // 64, i.step - 1  # an index is (code - lo) / step: 1 or 2
    spare = np.uint64(max(0, BLOCK - left))
    for plane in range(i.planes):
        word = as_u64(row + 8 * (plane * words + c // 64))
        word[0] = blocks.bits_of(x, i.lo, shift + plane) << spare >> spare


@inlined
def load_word(i, x, at, row, c, left):
    return blocks.load_word(x, at, row + 4 * c)


@inlined
def load_byte(i, x, at, row, c, left):
    return blocks.load_byte(x, at, row + c)


@inlined
def store_byte(i, x, at, row, c, left):
    blocks.store_byte(x, row + c, left)
    return x


@inlined
def step(i, x, at, row, c, left):
    """One instruction on `left` channels, 64 at most, from channel c on."""
    op, word = i.op, row + 4 * c
    if op == Op.TO_FLOAT:
        return blocks.to_float(x, at)
    if op == Op.MUL:
        return blocks.mul(x, at, word)
    if op == Op.ADD:
        return blocks.add(x, at, word)
    if op == Op.RELU:
        return blocks.relu(x, at)
    if op == Op.LOAD_WORD:
        return load_word(i, x, at, row, c, left)
    if op == Op.LOAD_BYTE:
        return load_byte(i, x, at, row, c, left)
    if op == Op.LOAD_UBYTE:
        return blocks.load_ubyte(x, at, row + c)
    if op == Op.LOAD_PLANES:
        return load_planes(i, x, at, row, c)
    if op == Op.SUB:
        return blocks.sub(x, at, word)
    if op == Op.SUB_FROM:
        return blocks.sub_from(x, at, word)
    if op == Op.DIV:
        return blocks.div(x, at, word)
    if op == Op.CLAMP:
        return blocks.clamp(x, at, word, i.second + 4 * c)
    if op == Op.PRELU:
        return blocks.prelu(x, at, word)
    if op == Op.THRESHOLD_INT:
        return threshold(i, False, x, at, c)
    if op == Op.THRESHOLD_FLOAT:
        return threshold(i, True, x, at, c)
    if op == Op.STORE_WORD:
        blocks.store_word(x, word, left)
    elif op == Op.STORE_AS_FLOAT:
        blocks.store_as_float(x, word, left)
    elif op == Op.STORE_BYTE:
        return store_byte(i, x, at, row, c, left)
    else:
        store_planes(i, x, row, c, left)
    return x


def over_blocks(step):
    """The pass of neighbouring instructions, step(i, x, at, row, c, left) each."""

    def run(program, scratch, first, count, c0, width, stride):
        together = instruction(program).together
        more = instruction(program + together * SIZE).together > 0
        for r in range(count):
            for c in range(0, width, BLOCK):
                here, left = scratch + 4 * (stride * r + c), width - c
                at = blocks.places(left)
                x = blocks.load_word(blocks.nothing(), at, here)
                for k in range(together):
                    i = instruction(program + k * SIZE)
                    x = step(i, x, at, operand(i, first + r), c0 + c, left)
                if more:
                    blocks.keep(x, here)

    return run


run = over_blocks(step)
