"""Ternary weights of others: codes and one scale, which a layer of ours keeps as a latent weight.

Our layers hold floats that `absmean` quantizes again, with a = mean |w| as the scale. For codes c,
of which a share f is not zero, and a scale s, the latent weight is c s / f: its mean is s, and
round(1 / f) clips to 1. So the layer trains, saves and exports like any other.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lowbit.zoo.checkpoints.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Ternary:
    """codes: int8 (out, in), each -1, 0 or +1; a weight is `scale` times its code."""

    codes: Tensor
    scale: float

    @property
    def value(self) -> Tensor:
        return self.codes.float() * self.scale

    @property
    def latent(self) -> Tensor:
        filled = int(self.codes.count_nonzero())
        return self.codes.float() * (self.scale * self.codes.numel() / max(filled, 1))


def fill(layer: nn.Linear, weight: Ternary, name: str = "weight") -> None:
    """Gives a layer with `absmean` weights the codes and the scale. Raises CheckpointError."""
    if layer.weight.shape != weight.codes.shape:
        ours, theirs = tuple(layer.weight.shape), tuple(weight.codes.shape)
        raise CheckpointError(f"{name}: {theirs} for a layer of {ours}")
    with torch.no_grad():
        layer.weight.copy_(weight.latent)
