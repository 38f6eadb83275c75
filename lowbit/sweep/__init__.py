"""Sweeps over bit-widths: accuracy against bytes against measured time, for your model and data.

    from lowbit.sweep import Grid, run_sweep

    swept = run_sweep(Grid(["w1a1", "w2a2", "float"], models=["mine:net"], seeds=[0, 1]), "store")
    swept.write_report("report")

The store is the record: what it holds is not run again, whatever interrupted the sweep. Processes
are spawned, so a script calls this under `if __name__ == "__main__":`. Names load on first use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowbit.sweep.drive import Swept as Swept
    from lowbit.sweep.executors import Settings as Settings
    from lowbit.sweep.face import run_sweep as run_sweep
    from lowbit.sweep.grid import Grid as Grid
    from lowbit.sweep.grid import GridError as GridError
    from lowbit.sweep.grid import Grids as Grids
    from lowbit.sweep.recipe import Recipe as Recipe
    from lowbit.sweep.store import Store as Store
    from lowbit.sweep.store import StoreError as StoreError

_HOMES = {
    "Grid": "grid",
    "GridError": "grid",
    "Grids": "grid",
    "Recipe": "recipe",
    "Settings": "executors",
    "Store": "store",
    "StoreError": "store",
    "Swept": "drive",
    "run_sweep": "face",
}

__all__ = [
    "Grid",
    "GridError",
    "Grids",
    "Recipe",
    "Settings",
    "Store",
    "StoreError",
    "Swept",
    "run_sweep",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'lowbit.sweep' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lowbit.sweep.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
