"""Keras's files are data: what is damaged, disguised or elsewhere is refused before it is read."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lowbit.zoo.checkpoints.errors import CheckpointError
from lowbit.zoo.checkpoints.keras import read

h5py = pytest.importorskip("h5py")
GOLDEN = Path(__file__).with_name("golden") / "ternary.h5"


@pytest.fixture
def copied(tmp_path) -> Path:
    return Path(shutil.copy(GOLDEN, tmp_path / "weights.h5"))


def test_layers_come_in_the_files_order():
    layers = read(GOLDEN)
    kinds = [layer.name.rpartition("_")[0] for layer in layers]
    assert kinds[:3] == ["conv2d", "batch_normalization", "quant_conv2d"]
    assert {*layers[1].arrays} == {"gamma", "beta", "moving_mean", "moving_variance"}
    assert layers[0].arrays["kernel"].shape == (3, 3, 1, 5)


def test_a_saved_model_keeps_them_one_level_down(tmp_path):
    with h5py.File(GOLDEN) as source, h5py.File(tmp_path / "model.h5", "w") as out:
        source.copy(source, out, "model_weights")
    found, expected = read(tmp_path / "model.h5"), read(GOLDEN)
    assert [layer.name for layer in found] == [layer.name for layer in expected]


def test_names_may_be_split(copied):
    with h5py.File(copied, "r+") as file:
        all_names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = all_names[:3], all_names[3:]
    assert len(read(copied)) == len(read(GOLDEN))


def first_kernel() -> str:
    name = read(GOLDEN)[0].name
    return f"{name}/{name}/kernel:0"


KERNEL = first_kernel()


def replaced(path: Path, make) -> None:
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        make(file)


LARGE = {"shape": (2**20, 2**20), "dtype": "f4"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f.create_dataset(KERNEL, chunks=(8, 8), **LARGE), "not stored in one piece"),
        (lambda f: f.create_dataset(KERNEL, **LARGE), "bytes that are not there"),
        (lambda f: f.create_dataset(KERNEL, data=np.arange(45)), "int64, not floats"),
        (lambda f: f.create_dataset(KERNEL, data=np.full(45, np.nan)), "NaN or infinite"),
        (lambda f: f.__setitem__(KERNEL, h5py.ExternalLink("/etc/x", "/y")), "lies elsewhere"),
        (lambda f: f.__setitem__(KERNEL, h5py.SoftLink("/conv2d")), "lies elsewhere"),
        (lambda f: f.create_group(KERNEL), "a group, not an array"),
    ],
)
def test_an_array_is_what_lies_in_the_file(copied, make, words):
    replaced(copied, make)
    with pytest.raises(CheckpointError, match=words):
        read(copied)


def test_an_array_outside_the_file_is_refused(copied, tmp_path):
    outside = [(str(tmp_path / "secret"), 0, 180)]
    (tmp_path / "secret").write_bytes(bytes(180))
    replaced(copied, lambda f: f.create_dataset(KERNEL, (45,), "f4", external=outside))
    with pytest.raises(CheckpointError, match="not stored in one piece in the file itself"):
        read(copied)


@pytest.mark.parametrize("cut", [0, 10, 100, 3000, -1])
def test_damaged_files_are_refused(copied, cut):
    copied.write_bytes(copied.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=str(copied)):
        read(copied)
