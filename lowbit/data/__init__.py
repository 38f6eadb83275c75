"""Data sets as plain NumPy arrays: read without torch by the command line and the quickstart."""

from lowbit.data.fashion_mnist import FashionMNIST, load_fashion_mnist, load_fashion_mnist_subset
from lowbit.data.idx import DataError

__all__ = ["DataError", "FashionMNIST", "load_fashion_mnist", "load_fashion_mnist_subset"]
