"""The two sweeps that come with lowbit: one for a coffee break, one for a night.

`quick` trains most widths from scratch. `full` trains one float network a seed, and every width
goes on from it, as is usual: for one epoch, and for three where weights or inputs are signs. Other
quantizers at some of the widths are compared on the first seed.
"""

from collections.abc import Sequence
from dataclasses import replace

from lowbit.sweep.grid import Grid, Grids
from lowbit.sweep.recipe import Recipe

# Weights 1, ternary, 2, 4 by inputs 1, 2, 4, and float.
QUICK = ("float", *(f"w{weight}a{input}" for weight in "1t24" for input in "124"))
CALIBRATED = ("ptq-w8a8", "ptq-w4a8")
FROM_FLOAT = ("lsq-w2a2", "lsq-w4a4")


def lsq(weights: str, inputs: str) -> tuple[str, ...]:
    return tuple(f"lsq-w{weight}a{input}" for weight in weights for input in inputs)


# The grid of all widths, by what a width takes to train: near to float, below, and binary.
WIDE = (*lsq("48", "48f"), *lsq("f", "48"))
NARROW = (*lsq("t23", "248f"), *lsq("48f", "2"))
BINARY = (*lsq("1", "1248f"), *lsq("t2348f", "1"))
# Other quantizers at some of these widths, and training without a float network.
OTHER_WIDE, OTHER_NARROW = ("w4a4",), ("w2a2", "wta8")
OTHER_BINARY = ("irnet-w1a1", "xnor-w1a1", "approx_sign/approx_sign")


def quick() -> Grids:
    """17 schemes, 2 seeds, Larq's small network: its widths halved."""
    scratch = Grid(
        schemes=QUICK,
        models=("larq_cnn(widths=[16, 32, 32])",),
        recipes=(Recipe(epochs=2),),
        seeds=(0, 1),
        batches=(1, 16),
    )
    from_float = Recipe(float_epochs=1, epochs=1)
    return Grids([scratch, part(scratch, CALIBRATED), part(scratch, FROM_FLOAT, from_float)])


def full() -> Grids:
    """Every width, 3 seeds, with augmentation: what costs least comes first."""
    start = Recipe(float_epochs=6, float_lr=2e-3, epochs=0, shift=2, flip=True)
    gently, on = replace(start, epochs=1, lr=5e-4), replace(start, epochs=1, lr=1e-3)
    longer = replace(on, epochs=3)
    still = Grid(
        schemes=("float", *CALIBRATED),
        models=("vgg_mini(exact=True)",),
        recipes=(start,),
        seeds=(0, 1, 2),
        batches=(1, 16),
        rounds=200,
    )
    widths = [part(still, WIDE, gently), part(still, NARROW, on), part(still, BINARY, longer)]
    first = replace(still, seeds=(0,))
    others = [
        part(first, OTHER_WIDE, gently),
        part(first, OTHER_NARROW, on),
        part(first, OTHER_BINARY, longer),
    ]
    return Grids([still, *widths, *others])


def part(like: Grid, schemes: Sequence[str], recipe: Recipe | None = None) -> Grid:
    return replace(like, schemes=schemes, recipes=(recipe,) if recipe else like.recipes)


PRESETS = {"quick": quick, "full": full}
