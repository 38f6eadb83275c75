"""Two processes under DDP see one order in two shards, and end with the same weights."""

import hashlib

import numpy as np
import pytest

from lowbit.train import Batches, FashionMNISTData


@pytest.fixture(scope="module")
def order():
    """Hashes of the images of the first four double batches of both epochs, in order."""
    data = FashionMNISTData(subset=True).load()
    epochs = []
    for epoch in range(2):
        batches = Batches(
            data.train_images,
            data.train_labels,
            64,
            seed=3,
            position=lambda epoch=epoch: (epoch, 0),
        )
        for (x, _), _ in zip(batches, range(4), strict=False):
            epochs.append([hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in x])
    return epochs


def test_two_processes(tmp_path, child, order):
    done = child("two_processes.py", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    joined = np.concatenate([first["seen"], second["seen"]], axis=1)
    assert joined.tolist() == order
    assert first["weights"][:490].tobytes() == second["weights"][:490].tobytes()
    assert first["val_acc"] == second["val_acc"]
    assert (tmp_path / "net").read_text() == "(2, 1, 28, 28)"
