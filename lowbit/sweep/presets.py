"""The two sweeps that come with lowbit: one for a coffee break, one for a night.

Each trains most widths from scratch, a few from a float network, and calibrates 8 bits.
"""

from collections.abc import Sequence
from dataclasses import replace

from lowbit.sweep.grid import Grid, Grids
from lowbit.sweep.recipe import Recipe

# Weights 1, ternary, 2, 4 by inputs 1, 2, 4, and float.
QUICK = ("float", *(f"w{weight}a{input}" for weight in "1t24" for input in "124"))
FULL = (
    "float",
    *(f"w{weight}a{input}" for weight in "1t2348" for input in "1248f"),
    *(f"lsq-w{bits}a{bits}" for bits in "2348"),
    *("irnet-w1a1", "xnor-w1a1", "approx_sign/approx_sign"),
)
CALIBRATED = ("ptq-w8a8", "ptq-w4a8")
FROM_FLOAT = ("lsq-w2a2", "lsq-w4a4")


def quick() -> Grids:
    """17 schemes, 2 seeds, Larq's small network: its widths halved."""
    return three_ways(
        Grid(
            schemes=QUICK,
            models=("larq_cnn(widths=[16, 32, 32])",),
            recipes=(Recipe(epochs=2),),
            seeds=(0, 1),
            batches=(1, 16),
        ),
        FROM_FLOAT,
        Recipe(float_epochs=1, epochs=1),
    )


def full() -> Grids:
    """Every width, 3 seeds, with augmentation."""
    augmented = Recipe(epochs=20, shift=2, flip=True)
    return three_ways(
        Grid(
            schemes=FULL,
            models=("vgg_mini(exact=True)",),
            recipes=(augmented,),
            seeds=(0, 1, 2),
            batches=(1, 16),
            rounds=200,
        ),
        ("w1a1", "w2a2", "w4a4", "wta8", *FROM_FLOAT),
        replace(augmented, float_epochs=10, epochs=10),
    )


def three_ways(scratch: Grid, from_float: Sequence[str], recipe: Recipe) -> Grids:
    calibrated = replace(scratch, schemes=CALIBRATED)
    return Grids([scratch, calibrated, replace(scratch, schemes=from_float, recipes=(recipe,))])


PRESETS = {"quick": quick, "full": full}
