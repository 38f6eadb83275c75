"""What calibration remembers of a tensor: its ends, their moving average, and a histogram.

Memory does not grow with the data. The histogram has bins of a power of two in width, aligned to
its multiples; when a value falls outside, the width doubles and neighbours merge, so that no
count is ever split or guessed.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lowbit.int8.errors import CalibrationError

BINS = 2048
MOMENTUM = 0.9  # of the ends' moving average, a batch
NARROWEST = 2.0**-40
LARGEST = 1e12  # what is beyond has diverged


@dataclass
class Statistics:
    """`first` is the histogram's first bin in multiples of `width`."""

    name: str
    low: float = math.inf
    high: float = -math.inf
    average: tuple[float, float] | None = None
    batch: tuple[float, float] | None = None
    width: float = 0.0
    first: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def see(self, x: Tensor) -> None:
        """Adds a tensor; all those that share parameters are seen by one, in any order."""
        if not x.numel():
            return
        low, high = (float(v) for v in torch.aminmax(x))
        if not max(-low, high) <= LARGEST:
            raise CalibrationError(f"{self.name} reaches {low} and {high}: the model has diverged")
        a, b = self.batch or (low, high)
        self.batch = min(a, low), max(b, high)
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.cover()
        index = (x.detach().double().flatten() / self.width).floor().long() - self.first
        self.counts += torch.bincount(index, minlength=BINS).numpy()

    def end_batch(self) -> None:
        if self.batch is None:
            return
        pairs = zip(self.average or self.batch, self.batch, strict=True)
        low, high = (MOMENTUM * old + (1 - MOMENTUM) * new for old, new in pairs)
        self.average, self.batch = (low, high), None

    def cover(self) -> None:
        """Widens the bins until they reach from end to end."""
        width = self.width or NARROWEST
        while math.floor(self.high / width) - math.floor(self.low / width) >= BINS - 1:
            width *= 2
        first = math.floor(self.low / width)
        if self.width:
            ratio = round(width / self.width)
            bins = (self.first + np.arange(BINS)) // ratio - first
            filled = self.counts > 0
            merged = np.zeros(BINS, np.int64)
            np.add.at(merged, bins[filled], self.counts[filled])
            self.counts = merged
        self.width, self.first = width, first

    @property
    def edges(self) -> np.ndarray:
        return (self.first + np.arange(BINS + 1)) * self.width

    @property
    def centers(self) -> np.ndarray:
        return (self.first + np.arange(BINS) + 0.5) * self.width
