"""How long an exported network takes: warm, in turns with the float model in torch, with spread.

The float model is there as the yardstick: the machine's speed drifts, and what drifts under both
cancels in their ratio.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lowbit
from lowbit.timing import Spread, samples


def measured(
    file: Path, twin: nn.Module, images: Tensor, threads: list[int], batches: list[int], rounds: int
) -> list[dict[str, Any]]:
    """A row a number of threads and batch size. Times are milliseconds a batch."""
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            return [
                {"threads": count, "batch": size, **pair(file, twin, images[:size], count, rounds)}
                for count in threads
                for size in batches
            ]
    finally:
        torch.set_num_threads(before)


def pair(file: Path, twin: nn.Module, images: Tensor, threads: int, rounds: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    twin.eval()
    network, array = lowbit.load(file, batch=len(images), threads=threads), images.numpy()
    times = samples({"runtime": lambda: network(array), "torch": lambda: twin(images)}, rounds)
    return {name: asdict(Spread.of(taken)) for name, taken in times.items()} | {
        "arena": network.bytes
    }
