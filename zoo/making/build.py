"""From a recipe and a seed to files and a measured result, which is not found twice."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

import lowbit
from lowbit.data import FashionMNIST
from lowbit.zoo.cards import Preprocessing
from lowbit.zoo.data import DATASETS
from lowbit.zoo.evaluate import accuracy
from lowbit.zoo.making.recipe import Recipe
from lowbit.zoo.making.train import trained
from lowbit.zoo.making.workshop import Workshop, forget_another_recipe, write
from lowbit.zoo.weights import rounded, save_weights

CHECKED = 256  # test images on which eager torch and the runtime are compared, bit for bit


def build(shop: Workshop, recipe: Recipe, seed: int) -> dict[str, Any]:
    """What a run of the recipe reached; it is run only if that is not known."""
    folder = shop.folder(recipe, seed)
    done = folder / "result.json"
    if done.exists() and (known := json.loads(done.read_text()))["recipe"] == recipe.digest:
        return known
    for name in recipe.needs:
        build(shop, shop.recipes[name], seed)
    forget_another_recipe(folder, recipe)
    data, minutes = DATASETS[recipe.data](), time.monotonic()
    model = trained(shop, recipe, seed, data, folder)
    result = exported(model, recipe, seed, data, folder)
    result |= {"recipe": recipe.digest, "minutes": (time.monotonic() - minutes) / 60}
    write(done, json.dumps(result, indent=1))
    return result


def exported(
    model: nn.Module, recipe: Recipe, seed: int, data: FashionMNIST, folder: Path
) -> dict[str, Any]:
    """Rounds, exports, and measures the integer network on the whole test set."""
    save_weights(rounded(model), folder / "weights.safetensors")
    images = torch.from_numpy(Preprocessing()(data.test_images[:CHECKED]))
    lowbit.export(model, images).save(folder / "net.safetensors")
    network = lowbit.load(folder / "net.safetensors", batch=64)
    with torch.no_grad():
        equal = (torch.from_numpy(network(images.numpy())) == model(images)).all(1)
    if recipe.exact and not equal.all():
        raise RuntimeError(f"{recipe.name}: {int((~equal).sum())} of {CHECKED} outputs differ")
    measured, count = accuracy(network, recipe.data, Preprocessing())
    total = asdict(lowbit.summary(model, images).total)
    return {"accuracy": measured, "test_images": count, "seed": seed, "total": total}
