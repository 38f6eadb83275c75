"""The data module: what it delivers, and that nothing of it depends on the trainer's past."""

import pytest
import torch

from lowbit.train import Classifier, ExportAtEnd, FashionMNISTData


def test_batches_are_images_in_the_unit_interval_and_labels():
    x, y = next(iter(FashionMNISTData(batch_size=100, subset=True).train_dataloader()))
    assert x.shape == (100, 1, 28, 28)
    assert (x.min(), x.max()) == (0, 1)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert 0 <= y.min() <= y.max() <= 9


@pytest.mark.parametrize(("holdout", "train", "val"), [(0, 6000, 1000), (500, 5500, 500)])
def test_held_out_images_are_not_trained_on(holdout, train, val):
    data = FashionMNISTData(subset=True, holdout=holdout)
    assert len(data.train_dataloader().images) == train
    assert len(data.val_dataloader().images) == val
    assert len(data.test_dataloader().images) == 1000


def test_an_example_is_there_after_whole_epochs(trainer, tmp_path):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    callbacks = [ExportAtEnd(str(tmp_path / "net"))]
    fit = trainer(max_epochs=1, callbacks=callbacks)
    fit.fit(Classifier(net), FashionMNISTData(batch_size=1000, subset=True))
    assert (tmp_path / "net").is_file()
