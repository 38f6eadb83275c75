"""Fashion-MNIST for Lightning: in memory, in a reproducible order, sharded by rank."""

from typing import Any

import lightning as L

from lowbit.data import FashionMNIST, load_fashion_mnist, load_fashion_mnist_subset
from lowbit.train.augment import Augment
from lowbit.train.batches import Batches, Shard


class FashionMNISTData(L.LightningDataModule):
    """Images as float32 k / 255 in (N, 1, 28, 28), labels as int64.

    `holdout` training images, the last ones, are kept back for validation; with 0 the test set is
    validated on, so do not choose a checkpoint by it. `subset` takes the images that come with
    lowbit. `batch_size` is per process.
    """

    def __init__(
        self,
        folder: str | None = None,
        batch_size: int = 128,
        seed: int = 0,
        shift: int = 0,
        flip: bool = False,
        holdout: int = 0,
        subset: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size = batch_size
        self.seed = seed
        self.augment = Augment(shift, flip) if shift or flip else None
        self.holdout = holdout
        self.folder, self.subset = folder, subset
        self.data: FashionMNIST | None = None

    def load(self) -> FashionMNIST:
        if self.data is None:
            self.data = (
                load_fashion_mnist_subset() if self.subset else load_fashion_mnist(self.folder)
            )
        return self.data

    def prepare_data(self) -> None:
        """Downloads where needed: Lightning calls this on one process of a machine."""
        self.load()

    def setup(self, stage: str) -> None:
        self.load()

    def train_dataloader(self) -> Batches:
        data = self.load()
        keep = len(data.train_images) - self.holdout
        return Batches(
            data.train_images[:keep],
            data.train_labels[:keep],
            self.batch_size,
            seed=self.seed,
            augment=self.augment,
            shard=self._shard(),
            position=self._position,
        )

    def val_dataloader(self) -> Batches:
        if not self.holdout:
            return self.test_dataloader()
        data = self.load()
        images, labels = data.train_images[-self.holdout :], data.train_labels[-self.holdout :]
        return Batches(images, labels, self.batch_size, shard=self._shard())

    def test_dataloader(self) -> Batches:
        data = self.load()
        return Batches(data.test_images, data.test_labels, self.batch_size, shard=self._shard())

    def _shard(self) -> Shard:
        if self.trainer is None:
            return Shard()
        return Shard(self.trainer.global_rank, self.trainer.world_size)

    def _position(self) -> tuple[int, int]:
        # The trainer's counters and not a state of the loader: Lightning does not restore loader
        # states once `estimated_stepping_batches` was read, as learning-rate schedules do.
        if self.trainer is None:
            return 0, 0
        loop: Any = self.trainer.fit_loop
        return loop.epoch_progress.current.processed, loop.epoch_loop.batch_progress.current.ready
