"""A chain of elementwise operations from an integer (or float) to a code, asked as a function."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.spec import QuantSpec


@dataclass(frozen=True)
class Chain:
    """`nodes` in order, the last a snap to `spec`; constants vary along one feature axis at most.

    `rank` counts feature axes, `axis` is the one of the channels (None: all alike), `channels`
    its length.
    """

    nodes: tuple[Node, ...]
    constants: dict[Node, Tensor]
    spec: QuantSpec
    rank: int
    axis: int | None
    channels: int

    def index(self, x: np.ndarray) -> np.ndarray:
        """Index of the code for each value: (points, channels) float32 to int64, asked of torch."""
        shape = [1] * self.rank
        if self.axis is not None:
            shape[self.axis] = self.channels
        y = torch.from_numpy(x.astype(np.float32)).reshape(len(x), *shape)
        with torch.no_grad():
            for node in self.nodes:
                y = elementwise.apply(node, y, self.constants)
        codes = y.numpy().reshape(x.shape).astype(np.int64)
        return (codes - self.spec.lo) // self.spec.step

    def directions(self) -> np.ndarray:
        """+1 rising, -1 falling, NaN not known, for each channel."""
        total = np.ones(self.channels, np.float32)
        for node in self.nodes:
            total = total * elementwise.direction(node, self.constants)
        return total


def chain_of(
    nodes: tuple[Node, ...], constants: dict[Node, Tensor], spec: QuantSpec
) -> Chain | None:
    """None if the constants vary along more than one axis, or disagree about it."""
    axes = {elementwise.channel_axis(node, constants) for node in nodes} - {(None, 1)}
    if len(axes) > 1 or (-1, 0) in axes:
        return None
    axis, channels = next(iter(axes), (None, 1))
    return Chain(nodes, constants, spec, nodes[0].meta["val"].ndim - 1, axis, channels)
