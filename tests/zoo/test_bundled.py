"""What ships: every card's files are there and whole, and agree with torch to the last bit."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lowbit import zoo
from lowbit.ir import evaluate
from lowbit.pack import parse
from lowbit.zoo.cards import Card, cards
from lowbit.zoo.data import DATASETS
from lowbit.zoo.evaluate import measure
from lowbit.zoo.fetch import BUNDLED, intact

BUNDLED_CARDS = [c for c in cards().values() if intact(BUNDLED / c.graph.name, c.graph)]
each = pytest.mark.parametrize("card", BUNDLED_CARDS, ids=lambda card: card.name)


def test_the_files_are_small_together():
    assert sum(path.stat().st_size for path in BUNDLED.glob("*")) < 15e6


def test_every_file_is_of_a_card():
    known = {f.name for c in cards().values() for f in (c.graph, c.weights) if f}
    assert {path.name for path in BUNDLED.glob("*.safetensors")} <= known


WITHOUT_TORCH = """
import sys
import numpy as np

sys.modules["torch"] = None  # an import of it fails
from lowbit import zoo

given = np.load(sys.argv[1])
np.savez(sys.argv[2], **{name: zoo.load(name, batch=8)(given[name]) for name in given})
"""


def example(card: Card) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(0, 256, (8, *card.input), np.uint8)
    return drawn if drawn.ndim == 2 else drawn.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory) -> dict[str, np.ndarray]:
    """What every bundled network makes of its example in an interpreter that has no torch."""
    folder = tmp_path_factory.mktemp("bundled")
    np.savez(folder / "x.npz", **{card.name: example(card) for card in BUNDLED_CARDS})
    files = [str(folder / "x.npz"), str(folder / "y.npz")]
    offline = os.environ | {"LOWBIT_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *files], env=offline, check=True)
    return dict(np.load(files[1]))


@each
def test_with_torch_and_without_the_outputs_are_the_same_bits(card, without_torch, monkeypatch):
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")
    x, found = example(card), without_torch[card.name]
    integers_alone = card.calibrated or card.weights is None
    expected = defined(card, x) if integers_alone else trained(card, x)
    if card.exact or integers_alone:
        np.testing.assert_array_equal(found, expected)
    else:  # a float layer sums in another order
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


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
    except (OSError, ModuleNotFoundError) as error:
        pytest.skip(str(error))
    network = zoo.load(card.name, batch=64)
    assert measure(network, card.data, card.preprocess) == card.measured
