"""Data by name: the zoo's data sets, or the user's own in a file .npz."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from lowbit.data import DataError, FashionMNIST, load_fashion_mnist
from lowbit.zoo.data import DATASETS

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
NAMED = {**DATASETS, "fashion_mnist": load_fashion_mnist}  # which may fall back to the subset


@functools.lru_cache(maxsize=2)
def load(name: str) -> FashionMNIST:
    """Grey images (N, height, width) and labels (N,), all uint8."""
    return NAMED[name]() if name in NAMED else from_file(Path(name))


def from_file(path: Path) -> FashionMNIST:
    if path.suffix != ".npz" or not path.is_file():
        raise DataError(f"no data {str(path)!r}: choose {', '.join(NAMED)}, or a file .npz")
    with np.load(path, allow_pickle=False) as file:
        if missing := [name for name in ARRAYS if name not in file]:
            raise DataError(f"{path}: no array {missing[0]}; it holds {', '.join(file)}")
        arrays = {name: file[name] for name in ARRAYS}
    for name, array in arrays.items():
        rank = 3 if name.endswith("images") else 1
        if array.dtype != np.uint8 or array.ndim != rank or not array.size:
            raise DataError(f"{path}: {name} is {rank}-dimensional uint8, not {array.dtype}")
        array.flags.writeable = False
    return FashionMNIST(**arrays, source=str(path))


@functools.lru_cache(maxsize=2)
def described(name: str) -> dict[str, Any]:
    """The data as a trial's configuration has it: by a hash of every byte and shape."""
    data = load(name)
    total = hashlib.sha256()
    for field in ARRAYS:
        array = getattr(data, field)
        total.update(f"{field}{array.shape}".encode())
        total.update(array.tobytes())
    return {
        "name": name,
        "sha256": total.hexdigest(),
        "train": len(data.train_images),
        "test": len(data.test_images),
        "shape": [1, *data.test_images.shape[1:]],
        "classes": int(max(data.train_labels.max(), data.test_labels.max())) + 1,
    }


def same(config: dict[str, Any]) -> FashionMNIST:
    """The data that a configuration means, on whatever machine this is."""
    here = described(config["name"])
    if here["sha256"] != config["sha256"]:
        raise DataError(
            f"{config['name']} is not the same data here as where the sweep was started: "
            f"{here['train']} + {here['test']} images, not {config['train']} + {config['test']}"
        )
    return load(config["name"])
