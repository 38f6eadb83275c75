"""Keras's weights in HDF5, read as data: layers in the file's order, each with its named arrays.

`model.save_weights("x.h5")` keeps them at the root, `model.save("x.h5")` under `model_weights`.
Of HDF5, only contiguous, uncompressed arrays that lie in the file itself are read, which is what
Keras writes: an array that claims more than the file holds, or points elsewhere, is refused. The
container itself is parsed by the HDF5 library, which may hang in a file that was damaged on purpose
(its heap of names was seen to): compare a stranger's file with its published hash first.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowbit.zoo.checkpoints.errors import CheckpointError

LONGEST = 2**16  # bytes of an attribute, which HDF5 itself keeps to


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """`arrays` by Keras's names for them: kernel, bias, gamma, beta, moving_mean, ..."""

    name: str
    arrays: dict[str, np.ndarray]


def read(path: str | Path) -> list[Layer]:
    """The layers that have weights. Raises CheckpointError, and OSError for a missing file."""
    h5py = needed()
    path = Path(path)
    size = path.stat().st_size
    try:
        with h5py.File(path, "r") as file:
            root = own(file, "model_weights") if "model_weights" in file else file
            layers = [layer(own(root, name), name, size) for name in names(root, "layer_names")]
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # h5py's, if damaged
        raise CheckpointError(f"{path}: not Keras's weights in HDF5: {error}") from None
    return [found for found in layers if found.arrays]


def needed():
    try:
        import h5py
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'Keras\'s weights are read by h5py: pip install "lowbit[checkpoints]"', name="h5py"
        ) from None
    return h5py


def names(group, attribute: str) -> list[str]:
    """A list of names, which Keras splits over several attributes where it is long."""
    parts = [attribute] if attribute in group.attrs else list(numbered(group, attribute))
    if not parts:
        raise CheckpointError(f"{group.name} has no {attribute}: these are not Keras's weights")
    raw = [name for part in parts for name in strings(group, part)]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in raw]


def strings(group, attribute: str) -> list[bytes | str]:
    """A short list of strings; a layer without weights has numpy's empty list, of floats."""
    header = group.attrs.get_id(attribute)
    if header.shape == (0,):
        return []
    if header.dtype.kind not in "SO" or header.get_storage_size() > LONGEST:
        raise CheckpointError(f"{attribute} of {group.name} is no list of names")
    return list(group.attrs[attribute])


def numbered(group, attribute: str) -> Iterator[str]:
    count = 0
    while f"{attribute}{count}" in group.attrs:
        yield f"{attribute}{count}"
        count += 1


def own(group, name: str):
    """What `name` is in this very file: each step of the way is a hard link."""
    import h5py

    for step in name.split("/"):
        if not isinstance(group.get(step, getlink=True), h5py.HardLink):
            raise CheckpointError(f"{name!r} is missing, or lies elsewhere")
        group = group[step]
    return group


def layer(group, name: str, size: int) -> Layer:
    arrays = {}
    for weight in names(group, "weight_names"):
        arrays[weight.rpartition("/")[2].partition(":")[0]] = array(own(group, weight), size)
    return Layer(name, arrays)


def array(dataset, size: int) -> np.ndarray:
    """The values as float32, once it is known that the file has them all."""
    if not hasattr(dataset, "shape"):
        raise CheckpointError(f"{dataset.name} is a group, not an array")
    claimed = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
        raise CheckpointError(f"{dataset.name} is {dataset.dtype}, not floats")
    if dataset.external or dataset.is_virtual or dataset.chunks:
        raise CheckpointError(f"{dataset.name} is not stored in one piece in the file itself")
    if claimed > size or dataset.id.get_storage_size() != claimed:
        raise CheckpointError(f"{dataset.name} claims {claimed} bytes that are not there")
    values = np.ascontiguousarray(dataset[()], np.float32)
    if not np.isfinite(values).all():
        raise CheckpointError(f"{dataset.name} has values that are NaN or infinite")
    return values
