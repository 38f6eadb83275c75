"""The program runner: pass after pass over a run of pixels.

Vectors may read past the last channel, into the next pixel or the slack that ends every buffer;
what they compute there stays in the padding of the scratch. Stores are exact.
"""

from lowbit.kernels import entry
from lowbit.kernels.entry import Code
from lowbit.kernels.program import ARGUMENTS, run_program
from lowbit.kernels.program.instructions import SIZE, instruction


def run(program, scratch, first, count, c0, width, stride):
    while True:
        i = instruction(program)
        if i.together == 0:
            return
        run_program(i.run, (program, scratch, first, count, c0, width, stride))
        program += i.together * SIZE


def runner() -> Code:
    return entry.compiled(run, "program", ARGUMENTS)
