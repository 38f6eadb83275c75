"""Batches cut from arrays in memory, in an order that is a pure function of (seed, epoch).

Nothing is drawn from a global generator, so a run that is killed and resumed sees what it would
have seen. The keys are Philox words, a stream that NumPy promises never to change, which its
`permutation` is not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lowbit.train.augment import Augment

Words = NDArray[np.uint64]


def words(count: int, *key: int) -> Words:
    """`count` random 64-bit words, always the same for the same key."""
    return np.random.Philox(np.random.SeedSequence(key)).random_raw(count)


@dataclass(frozen=True)
class Shard:
    """Which of `world` processes this is: each takes its cut of every batch of the one order."""

    rank: int = 0
    world: int = 1


def at_the_start() -> tuple[int, int]:
    return 0, 0


class Batches:
    """A loader of (`inputs`, int64 labels) over uint8 arrays.

    Training batches all have `size` samples, in shuffled order; evaluation batches (no seed) have
    at most `size`, hold every sample once, and are as many on every rank. `position` is asked, when
    the first batch is drawn, for the epoch and how many of its batches were already taken.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        size: int,
        *,
        seed: int | None = None,
        augment: Augment | None = None,
        shard: Shard = Shard(),
        position: Callable[[], tuple[int, int]] = at_the_start,
    ) -> None:
        self.images, self.labels = images, labels
        self.seed, self.augment, self.shard, self.position = seed, augment, shard, position
        step = size * shard.world
        count = len(images)
        self.length = -(-count // step) if seed is None else count // step
        self.total = count if seed is None else self.length * step
        if self.total < max(self.length, 1) * shard.world:
            raise ValueError(f"{count} samples do not fill a batch of {size} x {shard.world}")

    def __len__(self) -> int:
        return self.length

    def state_dict(self) -> dict[str, int]:
        """Empty, since `position` says it all; that it is there tells Lightning "resumable"."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        pass

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, first = self.position()
        order, chance = self.order(epoch), self.chance(epoch)
        parts = self.length * self.shard.world
        for batch in range(first % self.length, self.length):  # a finished epoch begins anew
            part = batch * self.shard.world + self.shard.rank
            lo, hi = (p * self.total // parts for p in (part, part + 1))
            yield self._take(order[lo:hi], chance)

    def order(self, epoch: int) -> NDArray[np.intp]:
        """The samples of an epoch, over all ranks."""
        count = len(self.images)
        if self.seed is None:
            return np.arange(count)
        return np.argsort(words(count, self.seed, epoch, 0), kind="stable")

    def chance(self, epoch: int) -> Words | None:
        """What decides each sample's augmentation in an epoch."""
        if self.seed is None or self.augment is None:
            return None
        return words(len(self.images), self.seed, epoch, 1)

    def _take(self, index: NDArray[np.intp], chance: Words | None) -> tuple[Tensor, Tensor]:
        images = self.images[index]
        if self.augment is not None and chance is not None:
            images = self.augment(images, chance[index])
        return inputs(images), torch.from_numpy(self.labels[index].astype(np.int64))


def inputs(values: NDArray[np.uint8]) -> Tensor:
    """Images (N, H, W) as float32 k / 255, (N, 1, H, W); text (N, T) as the bytes it is."""
    if values.ndim == 2:
        return torch.from_numpy(values)
    return torch.from_numpy(values[:, None].astype(np.float32) / np.float32(255))
