"""How compiled code reads a program."""

from lowbit.kernels.entry import inner
from lowbit.kernels.program import INSTRUCTION
from lowbit.kernels.record import reader

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


def one_by_one(step):
    """The pass of one instruction, step(i, op, x, at, c0, width), over the pixels of a run."""

    def run(program, scratch, first, count, c0, width, stride):
        i = instruction(program)
        op = i.op
        for r in range(count):
            step(i, op, scratch + 4 * stride * r, operand(i, first + r), c0, width)

    return run
