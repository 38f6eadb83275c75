"""A chain of elementwise operations from an integer (or float) to a code, asked as a function."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.elementwise import UP, Slope
from lowbit.spec import QuantSpec


@dataclass(frozen=True)
class Chain:
    """`nodes` in order, the last a snap to `spec`. They read each other, the constants and the
    root (movers between them were taken out).

    `shape` is a probe's without the batch: all ones but for the channels, on axis `axis`. A root
    of codes that are worth (x - zero) scale has `worth` = (scale, zero), with scale > 0.
    """

    root: Node
    nodes: tuple[Node, ...]
    constants: dict[Node, Tensor]
    spec: QuantSpec
    shape: tuple[int, ...] = (1,)
    axis: int | None = None
    through: dict[Node, Node] = field(default_factory=dict)  # a mover, and what it moves
    worth: tuple[float, int] = (1.0, 0)

    @property
    def channels(self) -> int:
        return 1 if self.axis is None else self.shape[self.axis]

    def index(self, x: np.ndarray) -> np.ndarray:
        """Index of the code for each value: (points, channels) float32 to int64, asked of torch."""
        scale, zero = self.worth
        real = (x.astype(np.float32) - np.float32(zero)) * np.float32(scale)
        root = torch.from_numpy(real).reshape(len(x), *self.shape)
        with torch.no_grad():
            codes = self.run(root, elementwise.apply)
        return (codes.numpy().reshape(x.shape).astype(np.int64) - self.spec.lo) // self.spec.step

    def directions(self) -> np.ndarray:
        """+1 rising, -1 falling, NaN not known, for each channel."""
        found = self.run(Slope(UP), elementwise.slope)
        assert isinstance(found, Slope)
        return found.of.expand(self.channels).numpy()

    def run(self, root, step: Callable):
        values: dict[Node, object] = {self.root: root}

        def value(node: Node):
            if node in self.constants:
                return self.constants[node]
            while node in self.through:
                node = self.through[node]
            return values[node]

        for node in self.nodes:
            values[node] = step(node, value)
        return values[self.nodes[-1]]


def chain_of(
    root: Node,
    nodes: list[Node],
    constants: dict[Node, Tensor],
    spec: QuantSpec,
    through: dict[Node, Node],
) -> Chain | None:
    """None if the constants vary along more than one axis, or disagree about it."""
    axes = {elementwise.channel_axis(node, constants) for node in nodes} - {None}
    if not axes:
        shape = (1,) * (nodes[0].meta["val"].ndim - 1)
        return Chain(root, tuple(nodes), constants, spec, shape, None, through)
    rank, axis, channels = next(iter(axes))
    if len(axes) > 1 or axis < 0:
        return None
    shape = tuple(channels if i == axis else 1 for i in range(rank))
    return Chain(root, tuple(nodes), constants, spec, shape, axis, through)
