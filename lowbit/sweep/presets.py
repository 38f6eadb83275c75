"""The two sweeps that come with lowbit: one for a coffee break, one for a night."""

from lowbit.sweep.grid import Grid
from lowbit.sweep.recipe import Recipe

# Weights 1, ternary, 2, 4 by inputs 1, 2, 4, and the two ends.
QUICK = (
    "float",
    "w8a8",
    *(f"w{weight}a{input}" for weight in "1t24" for input in "124"),
)
FULL = (
    "float",
    *(f"w{weight}a{input}" for weight in "1t2348" for input in "1248f"),
    *(f"lsq-w{bits}a{bits}" for bits in "2348"),
    *("irnet-w1a1", "xnor-w1a1", "approx_sign/approx_sign"),
)


def quick() -> Grid:
    """14 schemes, 2 seeds, Larq's small network: its widths halved."""
    return Grid(
        schemes=QUICK,
        models=("larq_cnn(widths=[16, 32, 32])",),
        recipes=(Recipe(epochs=2),),
        seeds=(0, 1),
        batches=(1, 16),
    )


def full() -> Grid:
    """Every width, 3 seeds, with augmentation."""
    return Grid(
        schemes=FULL,
        models=("vgg_small(exact=True)",),
        recipes=(Recipe(epochs=20, shift=2, flip=True),),
        seeds=(0, 1, 2),
        batches=(1, 16),
        rounds=200,
    )


PRESETS = {"quick": quick, "full": full}
