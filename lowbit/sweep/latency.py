"""How long an exported network takes: warm, in turns with the float model in torch, with spread.

The float model is there as the yardstick: the machine's speed drifts, and what drifts under both
cancels in their ratio.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lowbit
from lowbit.timing import Spread, samples


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds a batch, run by run, by who ran; `arena` is the runtime's bytes."""

    threads: int
    batch: int
    times: dict[str, list[float]]
    arena: int


def measured(
    file: Path, twin: nn.Module, images: Tensor, threads: list[int], batches: list[int], rounds: int
) -> list[dict[str, Any]]:
    """A row a number of threads and batch size. Times are milliseconds a batch."""
    return rows([taken(file, twin, images, threads, batches, rounds)])


def taken(
    file: Path, twin: nn.Module, images: Tensor, threads: list[int], batches: list[int], rounds: int
) -> list[Taken]:
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            return [
                pair(file, twin, images[:size], count, rounds)
                for count in threads
                for size in batches
            ]
    finally:
        torch.set_num_threads(before)


def pair(file: Path, twin: nn.Module, images: Tensor, threads: int, rounds: int) -> Taken:
    torch.set_num_threads(threads)
    twin.eval()
    network, array = lowbit.load(file, batch=len(images), threads=threads), images.numpy()
    times = samples({"runtime": lambda: network(array), "torch": lambda: twin(images)}, rounds)
    return Taken(threads, len(images), times, network.bytes)


def rows(visits: Sequence[list[Taken]]) -> list[dict[str, Any]]:
    """What several visits to the same network measured, as if it were one."""
    return [row(together) for together in zip(*visits, strict=True)]


def row(together: Sequence[Taken]) -> dict[str, Any]:
    first = together[0]
    pooled = {name: [t for visit in together for t in visit.times[name]] for name in first.times}
    spreads = {name: asdict(Spread.of(times)) for name, times in pooled.items()}
    return {"threads": first.threads, "batch": first.batch, **spreads, "arena": first.arena}
