"""The executor: one compiled loop over a table of kernel addresses and parameters."""

from collections.abc import Sequence

import numpy as np

from lowbit.kernels import entry
from lowbit.kernels.record import reader, record
from lowbit.kernels.simd import caller
from lowbit.runtime.step import Step

CALL = record("kernel", "parameters", "units")
SIZE = CALL.itemsize

call = reader(CALL)
invoke = caller(3)


def run(table, steps, images):
    for i in range(steps):
        c = call(table + i * SIZE)
        invoke(c.kernel, (c.parameters, 0, c.units * images))


class Executor:
    """Runs the settled steps of a plan for a number of images.

    With a reference among them, whose code is Python, each step is called from Python.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.table = np.zeros(len(steps), CALL)
        for row, step in zip(self.table, steps, strict=True):
            row["kernel"] = step.kernel.address()
            row["parameters"] = step.record.ctypes.data
            row["units"] = step.units
        self.compiled = not any(s.kernel.reference for s in steps)
        self.loop = entry.compiled(run, "execute").ctypes if self.compiled else None

    def __call__(self, images: int) -> None:
        if self.loop:
            self.loop(self.table.ctypes.data, len(self.steps), images)
            return
        for step in self.steps:
            step.kernel.callable()(step.record.ctypes.data, 0, step.units * images)
