"""The sweep as one call."""

from pathlib import Path

from rich.console import Console

from lowbit.sweep.config import by_key, trained_on
from lowbit.sweep.drive import Swept, lacking, sweep
from lowbit.sweep.executors import Settings
from lowbit.sweep.grid import Grid, Grids
from lowbit.sweep.machine import device_kind
from lowbit.sweep.store import Store
from lowbit.sweep.watch import LiveTable

DEFAULT = Settings()


def run_sweep(
    grid: Grid | Grids,
    store: str | Path,
    settings: Settings = DEFAULT,
    console: Console | None = None,
) -> Swept:
    """Runs what `store` does not hold yet of the grid's trials, and gives all of them back.

    Raises GridError, before anything is run, if a combination cannot be, and StoreError if the
    store cannot be used. A trial that fails is in `failed`, and the rest goes on.
    """
    from lowbit.sweep.trial import run

    kept = Store(store)
    wanted = by_key(trained_on(device_kind(settings.device), grid.configs()))
    lacks = lacking(wanted, kept)
    console = console or Console(stderr=True)
    for path, why in kept.damaged.items():
        console.print(f"{path}: {why}; it counts as not run", markup=False, style="yellow")
    with LiveTable(lacks, console) as shown:
        return sweep([*wanted.values()], kept, run, settings, shown)
