"""The executor: a table of calls, and the compiled loop that makes them."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from lowbit.kernels import barrier, loop
from lowbit.kernels.barrier import MEETING
from lowbit.kernels.loop import CALL
from lowbit.runtime.step import Step
from lowbit.runtime.workers import Workers


class Executor:
    """Runs the settled steps of a plan for a number of images.

    With a reference among them, whose code is Python, each step is called from Python.
    """

    def __init__(self, steps: Sequence[Step], threads: int = 1) -> None:
        self.steps, self.threads = list(steps), threads
        self.table = np.zeros(len(steps), CALL)
        for row, step in zip(self.table, steps, strict=True):
            row["kernel"] = step.kernel.address()
            row["parameters"] = step.record.ctypes.data
            row["units"] = step.units
            row["grain"] = step.kernel.tile[0] if step.kernel.tile else 1
            row["load"] = step.load()
        self.where = (self.table.ctypes.data, len(steps))
        self.compiled = not any(s.kernel.reference for s in steps)
        self.pause = barrier.system_yield() if threads > 1 else 0
        if self.compiled:
            self.loop = loop.shared() if threads > 1 else loop.alone()

    def __call__(self, images: int, workers: Workers) -> None:
        if not self.compiled:
            for step in self.steps:
                step.kernel.callable()(step.record.ctypes.data, 0, step.units * images)
        elif self.threads > 1:
            # New for every run: a thread may still be looking at those of the last.
            meetings = np.zeros(len(self.steps) * MEETING, np.uint8)
            workers.run([partial(self.part, images, me, meetings) for me in range(self.threads)])
            words = meetings.view(np.int64).reshape(len(self.steps), -1)
            failed = np.flatnonzero(words[:, barrier.FAILED // 8])
            self.check(int(failed[0]) + 1 if failed.size else 0)
        else:
            self.check(self.loop(*self.where, images))

    def part(self, images: int, me: int, meetings: np.ndarray) -> None:
        self.loop(*self.where, images, me, self.threads, meetings.ctypes.data, self.pause)

    def check(self, failed: int) -> None:
        """Refuses the number of a step, counted from 1, that a kernel gave up."""
        if failed:
            step = self.steps[failed - 1]
            raise RuntimeError(f"{step.kernel.name} failed in {step.title}")
