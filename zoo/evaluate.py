"""Accuracy of an integer network on a whole test set: the figure that is on its card."""

from typing import TYPE_CHECKING

from lowbit.zoo.data import DATASETS
from lowbit.zoo.names import require

if TYPE_CHECKING:
    from lowbit.runtime import Network
    from lowbit.zoo.cards import Preprocessing


def accuracy(network: "Network", data: str, preprocess: "Preprocessing") -> tuple[float, int]:
    """The fraction of test images classified as labelled, and how many there are; of a language
    model's, the fraction of bytes that are the likeliest behind those before them."""
    source = require(data, DATASETS, "data set")()
    scores = network(preprocess(source.test_images))
    assert not isinstance(scores, tuple), "a classifier has one output"
    predicted = scores.argmax(-1)
    return float((predicted == source.test_labels).mean()), predicted.size
