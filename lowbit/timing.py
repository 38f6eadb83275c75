"""Timing that can be compared: the contestants take turns in one process, medians are quoted."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median milliseconds of each, run in turn `rounds` times after a warm-up.

    The machine's speed drifts; taking turns lets it drift under all alike.
    """
    for run in contestants.values():
        for _ in range(3):
            run()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: median(values) for name, values in times.items()}


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
