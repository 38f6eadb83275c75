"""The builder of weights, on the part of Fashion-MNIST that comes with lowbit: two tiny recipes."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from lowbit.zoo import architecture
from lowbit.zoo.cards import Card, Preprocessing, from_json
from lowbit.zoo.making import publish
from lowbit.zoo.making.recipe import new_model, recipes
from lowbit.zoo.making.workshop import Workshop, forget_another_recipe

ROOT = Path(__file__).parents[2]
TINY = """
[defaults]
data = "fashion_mnist_subset"
batch = 1000
shift = 1
flip = true
exact = true

["tfc.float_tiny"]
scheme = { weight = "none", input = "none", first = "float", last = "float" }
exact = false
stages = [{ epochs = 1 }]

["tfc.w1a1_tiny"]
start = "tfc.float_tiny"
stages = [
    { epochs = 1, weights_from = 1.0, teacher = "tfc.float_tiny" },
    { epochs = 2, clip = true },
]

["tfc.w8a8_tiny"]
scheme = { weight = "none", input = "none", first = "float", last = "float" }
exact = false
start = "tfc.float_tiny"
calibrate = { images = 200 }
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_zoo", ROOT / "scripts" / "build_zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipes_build_what_the_registry_knows():
    known = recipes(ROOT / "scripts" / "zoo_recipes.toml")
    assert len(known) > 20
    for recipe in known.values():
        assert architecture(recipe.name)
        assert set(recipe.needs) <= set(known)
        assert (recipe.calibrate is None) == (sum(s.epochs for s in recipe.stages) > 0)


@pytest.mark.parametrize("name", ["vgg_mini", "birealnet_mini", "larq_tutorial", "tfc"])
def test_recipes_of_an_architecture_share_their_state(name):
    """What starts from other weights has their keys, but for the quantizers' own."""
    known = recipes(ROOT / "scripts" / "zoo_recipes.toml")
    keys = {
        frozenset(k for k in new_model(recipe).state_dict() if "_quantizer." not in k)
        for recipe in known.values()
        if recipe.name.startswith(f"{name}.") and recipe.data == "fashion_mnist"
    }
    assert len(keys) == 1


@pytest.fixture(scope="module")
def folder(script, tmp_path_factory) -> Path:
    """Where the tiny recipes were built."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "tiny.toml").write_text(TINY)
    run(script, folder)
    return folder


def run(script: ModuleType, folder: Path) -> None:
    settings = {"recipes": "tiny.toml", "runs": "runs", "out": "."}
    options = [x for k, v in settings.items() for x in (f"--{k}", str(folder / v))]
    names = ["tfc.w1a1_tiny", "tfc.w8a8_tiny"]
    script.main([*names, "--seeds", "1", "--threads", "1", "--quiet", *options])


def card(folder: Path, name: str = "tfc.w1a1_tiny") -> Card:
    return from_json((folder / "cards" / f"{name}.json").read_text())


def test_a_recipe_leaves_a_card_files_logs_and_what_it_needed(folder):
    found = card(folder)
    assert found.test_images == 1000
    assert found.spread == {"0": found.accuracy}
    assert found.binary_macs > 50_000
    assert (folder / "weights" / found.graph.name).stat().st_size == found.graph.bytes
    assert (folder / "runs" / "tfc.float_tiny" / "seed0" / "result.json").exists()
    logs = sorted((folder / "runs" / "tfc.w1a1_tiny" / "seed0" / "log").rglob("metrics.csv"))
    assert len(logs) == 2


def test_a_calibrated_network_has_the_weights_that_it_was_made_from(folder):
    found, origin = card(folder, "tfc.w8a8_tiny"), folder / "runs" / "tfc.float_tiny" / "seed0"
    kept = folder / "weights" / found.weights.name
    assert kept.read_bytes() == (origin / "weights.safetensors").read_bytes()
    assert found.cost["minutes"] == 0
    assert found.accuracy > 0.3
    assert found.low_bit_macs > 50_000
    assert found.float_macs == 0


def test_what_the_card_has_is_not_run_again_on_another_machine(script, folder, tmp_path):
    for name in ("tiny.toml", "cards", "weights"):
        (tmp_path / name).symlink_to(folder / name)
    run(script, tmp_path)
    assert not (tmp_path / "runs").exists()


def test_weights_too_large_to_ship_stay_where_they_were_made(folder, monkeypatch):
    known = recipes(folder / "tiny.toml")
    recipe, runs = known["tfc.w1a1_tiny"], folder / "runs"
    shop = Workshop(known, runs, folder / "none", folder / "none")
    made = shop.folder(recipe, 0) / "weights.safetensors"
    monkeypatch.setattr(publish, "LARGEST", made.stat().st_size - 1)
    assert publish.for_torch(shop, recipe, made) is None
    assert shop.published(recipe) == made


def test_a_finished_recipe_is_not_run_again(script, folder):
    checkpoint = folder / "runs" / "tfc.w1a1_tiny" / "seed0" / "stage1.ckpt"
    before = checkpoint.stat().st_mtime_ns
    run(script, folder)
    assert checkpoint.stat().st_mtime_ns == before


def test_an_interrupted_recipe_goes_on_to_the_same_bytes(script, folder):
    before, seed = card(folder), folder / "runs" / "tfc.w1a1_tiny" / "seed0"
    for name in ("result.json", "stage1.ckpt", "net.safetensors"):
        (seed / name).unlink()
    (folder / "cards" / "tfc.w1a1_tiny.json").unlink()
    run(script, folder)
    after = card(folder)
    assert after.graph == before.graph
    assert replace(after, cost={}) == replace(before, cost={})


def test_the_weights_are_those_of_the_card(folder, monkeypatch):
    from lowbit import zoo
    from lowbit.zoo import cards, evaluate, fetch

    monkeypatch.setattr(cards, "FOLDER", folder / "cards")
    monkeypatch.setattr(fetch, "BUNDLED", folder / "weights")
    cards.cards_of.cache_clear()
    found, network = card(folder), zoo.load("tfc.w1a1_tiny", batch=64)
    assert evaluate.measure(network, found.data, Preprocessing()) == found.measured
    assert zoo.create_model("tfc.w1a1_tiny").training
    cards.cards_of.cache_clear()


def test_a_changed_recipe_begins_anew(folder):
    known = recipes(folder / "tiny.toml")
    seed = folder / "runs" / "tfc.float_tiny" / "seed0"
    said = json.loads((seed / "result.json").read_text())
    assert said["recipe"] == known["tfc.float_tiny"].digest
    assert said["recipe"] != replace(known["tfc.float_tiny"], batch=500).digest
    other = replace(known["tfc.float_tiny"], batch=500)
    forget_another_recipe(seed, other)
    assert sorted(path.name for path in seed.iterdir()) == ["recipe"]
