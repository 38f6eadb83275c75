"""Sweeps over bit-widths: accuracy against bytes against measured time, for your model and data.

    from lowbit.sweep import Grid, run_sweep

    swept = run_sweep(Grid(["w1a1", "w2a2", "float"], models=["mine:net"], seeds=[0, 1]), "store")
    swept.write_report("report")

The store is the record: what it holds is not run again, whatever interrupted the sweep.
"""

from lowbit.sweep.drive import Swept
from lowbit.sweep.executors import Settings
from lowbit.sweep.face import run_sweep
from lowbit.sweep.grid import Grid, GridError
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.store import Store, StoreError

__all__ = [
    "Grid",
    "GridError",
    "Recipe",
    "Settings",
    "Store",
    "StoreError",
    "Swept",
    "run_sweep",
]
