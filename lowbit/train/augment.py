"""Light augmentation of small grey images, decided by one random word a sample."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augment:
    """Moves by up to `shift` pixels along each axis, zeros coming in; mirrors every other image."""

    shift: int = 0
    flip: bool = False

    def __call__(self, images: NDArray[np.uint8], chance: NDArray[np.uint64]) -> NDArray[np.uint8]:
        count, height, width = images.shape
        s = self.shift
        dy, dx = (((chance >> np.uint64(bit)) % np.uint64(2 * s + 1)) for bit in (0, 24))
        rows = np.arange(height) + dy.astype(np.intp)[:, None]
        columns = np.arange(width) + dx.astype(np.intp)[:, None]
        if self.flip:
            mirrored = (chance >> np.uint64(63)).astype(bool)
            columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
        padded = np.pad(images, ((0, 0), (s, s), (s, s)))
        samples = np.arange(count)[:, None, None]
        return padded[samples, rows[:, :, None], columns[:, None, :]]
