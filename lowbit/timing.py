"""Timing that can be compared: the contestants take turns in one process, medians are quoted."""

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

WARM = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of `runs` times, and the bounds of the middle four fifths."""

    median: float
    p10: float
    p90: float
    runs: int

    @classmethod
    def of(cls, times: list[float]) -> "Spread":
        ends = quantiles(times, n=10, method="inclusive") if len(times) > 1 else [times[0]]
        return cls(median(times), ends[0], ends[-1], len(times))


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median milliseconds of each, run in turn `rounds` times after a warm-up.

    The machine's speed drifts; taking turns lets it drift under all alike.
    """
    return {name: median(times) for name, times in samples(contestants, rounds).items()}


def samples(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = WARM,
    clock: Callable[[], float] = time.perf_counter,
    shuffled: bool = False,
) -> dict[str, list[float]]:
    """The milliseconds of every run, in turns as `interleaved` has it, in the order of time: the
    i-th of each are neighbours, so that their ratio is free of drift. `shuffled` turns come each
    round in another order: what ran before has left the caches to one, and warmed the code of
    another."""
    for run in contestants.values():
        for _ in range(warm):
            run()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order, chance = list(contestants), random.Random(0)
    for _ in range(rounds):
        if shuffled:
            chance.shuffle(order)
        for name in order:
            start = clock()
            contestants[name]()
            times[name].append(1000 * (clock() - start))
    return times


def cpu_model() -> str:
    """What the maker calls this CPU."""
    import platform
    from pathlib import Path

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine_name() -> str:
    """For names of files: the maker's name of this CPU and LLVM's, which tells generations apart,
    as in amd-epyc-znver3."""
    from lowbit.kernels import cpu

    named = re.sub(r"\(\w+\)", "", cpu_model())
    return re.sub(r"[^a-z0-9]+", "-", f"{named} {cpu.target()[1]}".lower()).strip("-")
