"""What is measured of scores, held to hand-made ones."""

import numpy as np
import pytest

from lowbit.data import FashionMNIST
from lowbit.zoo import data
from lowbit.zoo.cards import Measured, Preprocessing
from lowbit.zoo.evaluate import measure, surprise


def test_equal_scores_of_256_bytes_are_8_bits_of_surprise():
    assert surprise(np.ones((2, 3, 256), np.float32), np.zeros((2, 3), np.uint8)) == 8


@pytest.mark.parametrize("shift", [0, 1000])
def test_scores_are_logarithms_of_probabilities(shift):
    scores = np.log([[0.5, 0.25, 0.125, 0.125]]).astype(np.float64) + shift
    found = [surprise(scores, np.array([label])) for label in range(4)]
    assert found == pytest.approx([1, 2, 3, 3])


def test_a_text_is_measured_byte_by_byte(monkeypatch):
    text = np.array([[1, 2], [3, 0]], np.uint8)
    labels = np.array([[2, 3], [0, 1]], np.uint8)
    known = FashionMNIST(text, labels, text, labels, "counting")
    monkeypatch.setitem(data.DATASETS, "counting", lambda: known)

    def network(x: np.ndarray) -> np.ndarray:
        """Sure of the next number, but that it takes 4 for 3."""
        scores = np.full((*x.shape, 5), -np.inf, np.float32)
        scores[..., 1:] = 0
        np.put_along_axis(scores, (x[..., None] + 1) % 5, 20, -1)
        scores[1, 0] = [0, -np.inf, -np.inf, -np.inf, 1]
        return scores

    found = measure(network, "counting", Preprocessing())  # type: ignore[arg-type]
    assert (found.accuracy, found.test_images) == (0.75, 4)
    assert found.bits_per_byte == pytest.approx(np.log2(1 + np.e) / 4, abs=1e-4)
    assert found == Measured(0.75, 4, found.bits_per_byte)
