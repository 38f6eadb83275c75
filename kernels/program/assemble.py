"""Programs in memory."""

from itertools import groupby

import numpy as np

from lowbit.kernels.program import INSTRUCTION, Op
from lowbit.kernels.program.passes import PASS_OF

Step = dict[str, int]


def assemble(steps: list[Step]) -> np.ndarray:
    """INSTRUCTIONs with an END; fields left out are 0, and div is 1."""
    program = np.zeros(len(steps) + 1, INSTRUCTION)
    program["div"] = 1
    for row, fields in zip(program, steps, strict=False):
        for name, value in fields.items():
            row[name] = value
    program[-1]["op"] = Op.END
    for each, rows in groupby(program[:-1], lambda row: PASS_OF[row["op"]]):
        neighbours = list(rows)
        for row in neighbours:
            row["together"] = 1
        if each.joins:
            neighbours[0]["together"] = len(neighbours)
    return program


def link(program: np.ndarray) -> np.ndarray:
    """The program with its passes compiled, for all but references to run."""
    for row in program[:-1]:
        row["run"] = PASS_OF[row["op"]].compiled().address
    return program
