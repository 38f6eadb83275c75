"""What an integer network reaches on a whole test set: the figures that are on its card."""

from typing import TYPE_CHECKING

import numpy as np

from lowbit.zoo.cards import Measured, Preprocessing
from lowbit.zoo.data import DATASETS
from lowbit.zoo.names import require

if TYPE_CHECKING:
    from lowbit.runtime import Network


def measure(network: "Network", data: str, preprocess: Preprocessing) -> Measured:
    """Of all test images of a data set; or of a text, of all its bytes."""
    source = require(data, DATASETS, "data set")()
    scores, labels = network(preprocess(source.test_images)), source.test_labels
    assert not isinstance(scores, tuple), "a classifier has one output"
    right = scores.argmax(-1) == labels
    bits = round(surprise(scores, labels), 4) if labels.ndim == 2 else None
    return Measured(float(right.mean()), right.size, bits)


def surprise(scores: np.ndarray, labels: np.ndarray) -> float:
    """The mean of -log2 of the probability of each label, under logits (..., C), in float64."""
    above = scores - scores.max(-1, keepdims=True).astype(np.float64)
    chosen = np.take_along_axis(above, labels[..., None].astype(np.intp), -1)[..., 0]
    return float((np.log(np.exp(above).sum(-1)) - chosen).mean() / np.log(2))
