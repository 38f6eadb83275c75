"""One set of trained weights of its own, outside the package: a perceptron after a single step."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import lowbit
from lowbit import zoo
from lowbit.zoo import cards, fetch
from lowbit.zoo.cards import Card, File, Preprocessing
from lowbit.zoo.evaluate import measure
from lowbit.zoo.weights import rounded, save_weights

NAME = "tfc.w1a1_test"


@dataclass
class Trained:
    card: Card
    bundled: Path
    cache: Path

    def write(self, card: Card) -> None:
        """The card as the package's only one."""
        folder = self.bundled.parent / "cards"
        (folder / f"{card.name}.json").write_text(card.to_json())
        cards.cards_of.cache_clear()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> tuple[Card, Path]:
    folder = tmp_path_factory.mktemp("made")
    return made(folder), folder


@pytest.fixture
def trained(tmp_path, monkeypatch, made_once) -> Iterator[Trained]:
    card, source = made_once
    folders = {name: tmp_path / name for name in ("cards", "weights", "cache")}
    for folder in folders.values():
        folder.mkdir()
    for file in (card.graph.name, card.weights.name):
        shutil.copy(source / file, folders["weights"])
    monkeypatch.setattr(cards, "FOLDER", folders["cards"])
    monkeypatch.setattr(fetch, "BUNDLED", folders["weights"])
    monkeypatch.setattr(fetch, "cache", lambda: folders["cache"])
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")
    found = Trained(card, folders["weights"], folders["cache"])
    found.write(card)
    yield found
    cards.cards_of.cache_clear()


def made(folder: Path) -> Card:
    model = perceptron()
    save_weights(rounded(model), folder / f"{NAME}.torch.safetensors")
    lowbit.export(model.eval(), torch.rand(1, 1, 28, 28)).save(folder / f"{NAME}.safetensors")
    network = lowbit.load(folder / f"{NAME}.safetensors")
    found = measure(network, "fashion_mnist_subset", Preprocessing())
    graph, weights = (described(folder / f"{NAME}{end}.safetensors") for end in ("", ".torch"))
    return replace(
        CARD, accuracy=found.accuracy, test_images=found.test_images, graph=graph, weights=weights
    )


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    model = zoo.create_model("tfc")
    nn.functional.cross_entropy(model(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    return model


def described(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, hashlib.sha256(content).hexdigest(), len(content))


CARD = Card(
    name=NAME,
    task="ten kinds of clothes",
    data="fashion_mnist_subset",
    preprocess=Preprocessing(),
    input=(1, 28, 28),
    classes=10,
    scheme=None,
    exact=False,
    accuracy=0.0,
    test_images=0,
    seed=0,
    spread={"0": 0.0},
    cost={"minutes": 0.0, "machine": "none"},
    bits="w1a1",
    parameters=59_394,
    binary_macs=59_008,
    low_bit_macs=0,
    float_macs=0,
    licence="Apache-2.0",
    paper="1612.07119",
    command="none",
    graph=File("", "", 0),
    weights=File("", "", 0),
    versions={"lowbit": lowbit.__version__},
)
