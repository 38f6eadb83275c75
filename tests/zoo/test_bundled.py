"""What ships: every card's files are there and whole, and agree with torch to the last bit."""

import numpy as np
import pytest
import torch

from lowbit import zoo
from lowbit.ir import evaluate
from lowbit.pack import parse
from lowbit.zoo.cards import cards
from lowbit.zoo.data import DATASETS
from lowbit.zoo.evaluate import measure
from lowbit.zoo.fetch import BUNDLED, intact

BUNDLED_CARDS = [c for c in cards().values() if intact(BUNDLED / c.graph.name, c.graph)]
each = pytest.mark.parametrize("card", BUNDLED_CARDS, ids=lambda card: card.name)


def test_the_files_are_small_together():
    assert sum(path.stat().st_size for path in BUNDLED.glob("*")) < 15e6


def test_every_file_is_of_a_card():
    known = {f.name for c in cards().values() for f in (c.graph, c.weights)}
    assert {path.name for path in BUNDLED.glob("*.safetensors")} <= known


@each
def test_with_torch_and_without_the_outputs_are_the_same_bits(card, monkeypatch):
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")
    network = zoo.load(card.name, batch=8)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, *card.input), np.uint8)
    x = images if images.ndim == 2 else images.astype(np.float32) / np.float32(255)
    expected = defined(card, x) if card.calibrated else trained(card, x)
    if card.exact or card.calibrated:
        np.testing.assert_array_equal(network(x), expected)
    else:  # a float layer sums in another order
        np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-4)


def trained(card, x):
    with torch.no_grad():
        return zoo.create_model(card.name).eval()(torch.from_numpy(x)).numpy()


def defined(card, x):
    """Codes were chosen for these, from weights that torch knows as floats alone."""
    graph = parse((BUNDLED / card.graph.name).read_bytes())
    (values,) = evaluate(graph, x)
    return values


@pytest.mark.slow
@each
def test_its_accuracy_is_found_again(card):
    try:
        DATASETS[card.data]()
    except OSError as error:
        pytest.skip(str(error))
    network = zoo.load(card.name, batch=64)
    assert measure(network, card.data, card.preprocess) == card.measured
