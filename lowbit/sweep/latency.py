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
    file: Path, twin: nn.Module, images: Tensor, batches: list[int], rounds: int
) -> list[dict[str, Any]]:
    """A row a batch size, on one thread each. Times are milliseconds a batch."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return [
                {"threads": 1, "batch": size, **pair(file, twin.eval(), images[:size], rounds)}
                for size in batches
            ]
    finally:
        torch.set_num_threads(before)


def pair(file: Path, twin: nn.Module, images: Tensor, rounds: int) -> dict[str, Any]:
    network, array = lowbit.load(file, batch=len(images)), images.numpy()
    times = in_turns({"runtime": lambda: network(array), "torch": lambda: twin(images)}, rounds)
    return {name: spread(values) for name, values in times.items()} | {"arena": network.bytes}


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
