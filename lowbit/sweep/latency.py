"""How long an exported network takes: warm, in turns with the float model in torch, with spread.

The float model is there as the yardstick: the machine's speed drifts, and what drifts under both
cancels in their ratio.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lowbit

WARM = 5


def measured(
    file: Path, twin: nn.Module, images: Tensor, how: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row for every number of threads and batch size. Times are milliseconds a batch."""
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            return [
                pair(file, twin.eval(), images[:size], threads, how["rounds"])
                for threads in how["threads"]
                for size in how["batches"]
            ]
    finally:
        torch.set_num_threads(before)


def pair(file: Path, twin: nn.Module, images: Tensor, threads: int, rounds: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    network, array = lowbit.load(file, batch=len(images), threads=threads), images.numpy()
    times = in_turns({"runtime": lambda: network(array), "torch": lambda: twin(images)}, rounds)
    what = {"threads": threads, "batch": len(images)}
    return (
        what | {name: spread(values) for name, values in times.items()} | {"arena": network.bytes}
    )


def in_turns(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The milliseconds of every run, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(-WARM, rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn >= 0:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def spread(values: list[float]) -> dict[str, float]:
    lo, hi = np.quantile(values, (0.1, 0.9)).tolist()
    return {"median": statistics.median(values), "p10": lo, "p90": hi, "runs": len(values)}
