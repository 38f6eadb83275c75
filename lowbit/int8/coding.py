"""The integers of a layer's weights and what they are worth, before any graph is made of them."""

from typing import NamedTuple

import numpy as np
from torch.fx import Node


class Coded(NamedTuple):
    """`codes` in torch's order of axes; `scales` float32, one or one an output channel."""

    codes: np.ndarray
    scales: np.ndarray


# Weights that were rounded by something better than the nearest code, by their layer.
Rounded = dict[Node, Coded]


def above(given: Coded, least: np.ndarray, plain: Coded) -> Coded:
    """`given` where its scales reach `least`, a channel each, and `plain` elsewhere."""
    enough = given.scales >= least
    if len(given.scales) == 1:
        return given if enough.all() else plain
    rows = enough.reshape(-1, *[1] * (given.codes.ndim - 1))
    return Coded(
        np.where(rows, given.codes, plain.codes), np.where(enough, given.scales, plain.scales)
    )
