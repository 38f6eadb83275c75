"""The times of all that a store holds, measured anew, one trial after the other.

Results come from several machines, or from hours in which theirs had other work. What is to be
compared is measured together: on one machine, which has nothing else to do. Results stay as they
are; a trial whose network is not in the store keeps its times.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from lowbit.plain import plain
from lowbit.sweep import data as datasets
from lowbit.sweep import latency
from lowbit.sweep.machine import load, machine
from lowbit.sweep.models import float_twin
from lowbit.sweep.record import Record
from lowbit.sweep.store import Store
from lowbit.sweep.trial import model_of, pixels
from lowbit.sweep.turns import Turns


def time_again(store: Store, console: Console) -> None:
    """Stores each as it is measured. Raises StoreError if a sweep is using the store."""
    with store.locked(), Turns() as turns:
        records = store.finished()
        there = {key: store.networks / f"{key}.safetensors" for key in records}
        there = {key: file for key, file in there.items() if file.exists()}
        for key, file in track(there.items(), "timing", console=console):
            with turns.measuring():
                store.save({**records[key], "measured": measured(records[key], file)})
    if left := len(records) - len(there):
        console.print(
            f"{left} of {len(records)} trials have no file in {store.networks} and keep their times"
        )


def measured(record: Record, file: Path) -> Mapping[str, Any]:
    config = record["config"]
    twin = plain(float_twin(model_of(config)))
    images = pixels(datasets.same(config["data"]))
    times = latency.measured(file, twin, images, **config["measure"])
    return {**record["measured"], "latency": times, "load": load(), "machine": machine()}
