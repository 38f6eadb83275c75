"""One real trial that two processes train together, from a float network that they trained, too.

python team_sweep.py STORE EXECUTOR [ADDRESS]
"""

import sys

from rich.console import Console

from lowbit.sweep import Grid, Recipe, Settings, run_sweep

HOW = Recipe(epochs=2, float_epochs=1, ranks=2, train_images=2048, recalibrate=2)


def grid() -> Grid:
    model = "larq_cnn(widths=[8, 8, 8], dense=16)"
    return Grid(["lsq-w2a2"], [model], [HOW], data="fashion_mnist_subset", rounds=2)


if __name__ == "__main__":
    store, executor, *rest = sys.argv[1:]
    settings = Settings(executor, 2, 3, *rest)
    swept = run_sweep(grid(), store, settings, Console(stderr=True))
    for failure in swept.failed.values():
        print(failure["traceback"], file=sys.stderr)
    sys.exit(not swept.complete)
