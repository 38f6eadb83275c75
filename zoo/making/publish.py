"""A card for the first seed's weights, and the files where the card says that they are."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import lowbit
from lowbit import atomic, zoo
from lowbit.timing import cpu_model
from lowbit.zoo.cards import Card, File, Preprocessing
from lowbit.zoo.making.recipe import Recipe, shape
from lowbit.zoo.making.train import usable
from lowbit.zoo.making.workshop import Workshop

BUNDLED = 600_000  # bytes: files up to here ship in the package
LARGEST = 4_000_000  # and weights for torch up to here, where there is no other place for them
TASKS = {"python_topics": "the next byte of a text"}
LICENCES = {"fashion_mnist": "MIT (data), Apache-2.0 (weights)"}


def publish(
    shop: Workshop, recipe: Recipe, results: Sequence[dict[str, Any]], command: str
) -> Card:
    """The card with every seed's accuracy; a first one, and its files, are of the first seed."""
    spread = {str(r["seed"]): r["accuracy"] for r in results}
    if known := shop.card(recipe):
        card = replace(known, spread=known.spread | spread, command=command)
    else:
        card = replace(new_card(shop, recipe, results[0]), spread=spread, command=command)
    shop.cards.mkdir(parents=True, exist_ok=True)
    atomic.write(shop.cards / f"{recipe.name}.json", card.to_json())
    return card


def new_card(shop: Workshop, recipe: Recipe, first: dict[str, Any]) -> Card:
    known = zoo.architecture(recipe.name)
    folder = shop.folder(recipe, first["seed"])
    totals = {k: first["total"][k] for k in ("binary_macs", "low_bit_macs", "float_macs")}
    return Card(
        name=recipe.name,
        task=TASKS.get(recipe.data, f"{known.classes} classes of small grey images"),
        data=recipe.data,
        preprocess=Preprocessing(),
        input=shape(recipe),
        classes=known.classes,
        scheme=recipe.scheme,
        exact=recipe.exact,
        accuracy=first["accuracy"],
        test_images=first["test_images"],
        bits_per_byte=first.get("bits_per_byte"),
        seed=first["seed"],
        spread={},
        cost={
            "minutes": round(first["minutes"], 1),
            "machine": machine(),
            "precision": usable(recipe.precision),
        },
        bits=recipe.name.partition(".")[2].partition("_")[0],
        parameters=first["total"]["parameters"],
        **totals,
        licence=LICENCES.get(recipe.data, "Apache-2.0"),
        paper=known.paper,
        command="",
        graph=placed(shop, folder / "net.safetensors", f"{recipe.name}.safetensors", recipe.url),
        weights=origin(shop, recipe) or for_torch(shop, recipe, folder / "weights.safetensors"),
        versions={p: version(p) for p in ("torch", "lightning", "numpy", "numba")}
        | {"lowbit": lowbit.__version__},
        notes=recipe.notes,
        recipe=recipe.digest,
        calibrated=recipe.calibrate is not None,
    )


def origin(shop: Workshop, recipe: Recipe) -> File | None:
    """What is calibrated has the weights of the float network that it was made from."""
    start = shop.card(shop.recipes[recipe.start]) if recipe.calibrate else None
    return start.weights if start else None


def for_torch(shop: Workshop, recipe: Recipe, source: Path) -> File | None:
    if source.stat().st_size > LARGEST and not recipe.url:
        return None
    return placed(shop, source, f"{recipe.name}.torch.safetensors", recipe.url)


def placed(shop: Workshop, source: Path, name: str, url: str) -> File:
    """A small file is copied to where the package has its own; a large one waits in the runs."""
    content = source.read_bytes()
    file = File(name, hashlib.sha256(content).hexdigest(), len(content))
    if len(content) > BUNDLED and url:
        return replace(file, url=f"{url}/{name}")
    shop.weights.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, shop.weights / name)
    return file


def machine() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_model()
