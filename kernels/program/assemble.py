"""Programs in memory."""

import numpy as np

from lowbit.kernels.program import INSTRUCTION, Op

Step = dict[str, int]


def assemble(steps: list[Step]) -> np.ndarray:
    """INSTRUCTIONs with an END; fields left out are 0, and div is 1."""
    program = np.zeros(len(steps) + 1, INSTRUCTION)
    program["div"] = 1
    for row, fields in zip(program, steps, strict=False):
        for name, value in fields.items():
            row[name] = value
    program[-1]["op"] = Op.END
    return program
