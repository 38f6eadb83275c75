"""Programs in memory."""

import numpy as np

from lowbit.kernels.program import INSTRUCTION, Op
from lowbit.kernels.program.passes import cut

Step = dict[str, int]


def assemble(steps: list[Step]) -> np.ndarray:
    """INSTRUCTIONs with an END; fields left out are 0, and div is 1."""
    program = np.zeros(len(steps) + 1, INSTRUCTION)
    program["div"] = 1
    for row, fields in zip(program, steps, strict=False):
        for name, value in fields.items():
            row[name] = value
    program[-1]["op"] = Op.END
    for first, _, count in cut([Op(op) for op in program["op"][:-1]]):
        program[first]["together"] = count
    return program


def link(program: np.ndarray) -> np.ndarray:
    """The program with its passes compiled, for all but references to run."""
    for first, each, _ in cut([Op(op) for op in program["op"][:-1]]):
        program[first]["run"] = each.compiled().address
    return program
