"""Images for a network: from a .npy file or from Fashion-MNIST, in the form its input takes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowbit.data import load_fashion_mnist, load_fashion_mnist_subset
from lowbit.ir import Graph, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    array: np.ndarray
    labels: np.ndarray | None
    source: str


def only_input(graph: Graph) -> TensorType:
    if len(graph.inputs) != 1:
        raise ValueError(
            f"the network has {len(graph.inputs)} inputs, and this runs one: {names(graph)}"
        )
    return next(iter(graph.inputs.values()))


def names(graph: Graph) -> str:
    return ", ".join(graph.inputs)


def from_file(path: Path, graph: Graph) -> Images:
    """A batch of the input's shape, or of its shape without sides of 1; bytes become k / 255."""
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a NumPy file of plain numbers: {error}") from None
    return Images(fitted(array, only_input(graph), str(path)), None, str(path))


def fashion_mnist(graph: Graph, subset: bool) -> Images:
    data = load_fashion_mnist_subset() if subset else load_fashion_mnist()
    source = f"Fashion-MNIST test set, {data.source}"
    array = fitted(data.test_images, only_input(graph), source)
    return Images(array, data.test_labels, source)


def fitted(array: np.ndarray, type_: TensorType, source: str) -> np.ndarray:
    if squeezed(array.shape[1:]) != squeezed(type_.shape) or not array.size:
        raise ValueError(f"{source}: images of shape {array.shape[1:]}, the network takes {type_}")
    if array.dtype != type_.dtype:
        array = converted(array, type_, source)
    return np.ascontiguousarray(array.reshape(len(array), *type_.shape))


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side for side in shape if side > 1)


def converted(array: np.ndarray, type_: TensorType, source: str) -> np.ndarray:
    if type_.spec is None and array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if type_.spec is None and array.dtype.kind == "f":
        return array.astype(np.float32)
    raise ValueError(f"{source}: values are {array.dtype}, the network takes {type_.dtype}")
