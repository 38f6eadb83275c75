"""The times of all that a store holds, measured anew and together.

Results come from several machines, or from hours in which theirs had other work. What is to be
compared is measured together: on one machine, which has nothing else to do, and in several visits
to every network, so that an hour in which the machine is slow is slow for all. Results stay as they
are; a trial whose network is not in the store keeps its times.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from torch import nn

from lowbit.plain import plain
from lowbit.sweep import data as datasets
from lowbit.sweep import latency
from lowbit.sweep.config import canonical
from lowbit.sweep.latency import Taken
from lowbit.sweep.machine import load, machine
from lowbit.sweep.models import float_twin
from lowbit.sweep.record import Record
from lowbit.sweep.store import Store
from lowbit.sweep.trial import model_of, pixels
from lowbit.sweep.turns import Turns

VISITS = 5


def time_again(store: Store, console: Console) -> None:
    """Stores all at the end. Raises StoreError if a sweep is using the store."""
    with store.locked(), Turns() as turns:
        records = store.finished()
        there = {key: store.networks / f"{key}.safetensors" for key in records}
        there = {key: file for key, file in there.items() if file.exists()}
        visits: dict[str, list[list[Taken]]] = {key: [] for key in there}
        for key in track([*there] * VISITS, "timing", console=console):
            with turns.measuring():
                visits[key].append(visited(records[key]["config"], there[key]))
        for key, found in visits.items():
            store.save({**records[key], "measured": renewed(records[key], found)})
    if left := len(records) - len(there):
        console.print(
            f"{left} of {len(records)} trials have no file in {store.networks} and keep their times"
        )


def visited(config: Mapping[str, Any], file: Path) -> list[Taken]:
    how = dict(config["measure"])
    how["rounds"] = -(-how["rounds"] // VISITS)
    images = pixels(datasets.same(config["data"]))
    return latency.taken(file, twin(canonical(config["model"])), images, **how)


@functools.lru_cache(maxsize=4)
def twin(model: str) -> nn.Module:
    """The float network of a configuration's model, which is given as JSON."""
    return plain(float_twin(model_of({"model": json.loads(model)})))


def renewed(record: Record, visits: list[list[Taken]]) -> Mapping[str, Any]:
    measured = {"latency": latency.rows(visits), "load": load(), "machine": machine()}
    return {**record["measured"], **measured}
