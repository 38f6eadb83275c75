"""Where the time of an exported network goes: every step of its plan by itself, on one thread."""

from dataclasses import dataclass

import numpy as np

from lowbit.runtime import Network
from lowbit.timing import samples

ROUNDS = 20


@dataclass(frozen=True, slots=True)
class StepTime:
    nodes: str
    kernel: str
    what: str
    ms: float
    share: float


def step_times(network: Network, x: np.ndarray, rounds: int = ROUNDS) -> list[StepTime]:
    """Steps in order, each reading what the one before has left, as in a run of the whole."""
    images = min(len(x), network.batch)
    network(x[:images])  # fills the arena, which keeps it
    steps = network.execute.steps

    def caller(step):
        run, at, units = step.kernel.callable(), step.record.ctypes.data, step.units * images
        return lambda: run(at, 0, units)

    taken = samples({str(i): caller(step) for i, step in enumerate(steps)}, rounds)
    medians = [float(np.median(times)) for times in taken.values()]
    return [
        StepTime(" ".join(step.nodes), step.kernel.name, step.title, ms, ms / sum(medians))
        for step, ms in zip(steps, medians, strict=True)
    ]
