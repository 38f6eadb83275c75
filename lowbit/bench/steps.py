"""Where the time of an exported network goes: every step of its plan by itself, on one thread."""

from collections.abc import Callable
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
    """Steps in order, each reading what the one before has left, as in a run of the whole.

    Inputs are copied anew each round: later steps write over them, and codes that are read as
    floats may be subnormal, which takes a processor ten times as long.
    """
    images = min(len(x), network.batch)
    network(x[:images])
    steps = network.execute.steps

    def caller(step):
        run, at, units = step.kernel.callable(), step.record.ctypes.data, step.units * images
        return lambda: run(at, 0, units)

    calls: dict[str, Callable[[], object]] = {"input": lambda: network.put([x[:images]])}
    taken = samples(calls | {str(i): caller(step) for i, step in enumerate(steps)}, rounds)
    medians = [float(np.median(taken[str(i)])) for i in range(len(steps))]
    return [
        StepTime(" ".join(step.nodes), step.kernel.name, step.title, ms, ms / sum(medians))
        for step, ms in zip(steps, medians, strict=True)
    ]
