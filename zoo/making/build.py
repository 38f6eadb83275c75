"""From a recipe and a seed to files and a measured result, which is not found twice."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

import lowbit
from lowbit import atomic
from lowbit.data import FashionMNIST
from lowbit.zoo.cards import Preprocessing
from lowbit.zoo.data import DATASETS
from lowbit.zoo.evaluate import measure
from lowbit.zoo.making.recipe import Calibration, Recipe
from lowbit.zoo.making.train import trained
from lowbit.zoo.making.workshop import Workshop, forget_another_recipe
from lowbit.zoo.weights import rounded, save_weights

CHECKED = 256  # test images on which eager torch and the runtime are compared, bit for bit


def build(shop: Workshop, recipe: Recipe, seed: int) -> dict[str, Any]:
    """What a run of the recipe reached; it is run only if neither a run nor the card knows that."""
    folder = shop.folder(recipe, seed)
    done = folder / "result.json"
    if done.exists() and (known := json.loads(done.read_text()))["recipe"] == recipe.digest:
        return known
    if (card := shop.card(recipe)) and str(seed) in card.spread:
        return {"accuracy": card.spread[str(seed)], "seed": seed}
    for name in recipe.needs:
        build(shop, shop.recipes[name], shop.first)
    forget_another_recipe(folder, recipe)
    data = DATASETS[recipe.data]()
    model, minutes = trained(shop, recipe, seed, data, folder)
    result = exported(model, recipe, seed, data, folder)
    result |= {"recipe": recipe.digest, "minutes": minutes}
    atomic.write(done, json.dumps(result, indent=1))
    return result


def exported(
    model: nn.Module, recipe: Recipe, seed: int, data: FashionMNIST, folder: Path
) -> dict[str, Any]:
    """Rounds, exports, and measures the integer network on the whole test set."""
    save_weights(rounded(model), folder / "weights.safetensors")
    images = torch.from_numpy(Preprocessing()(data.test_images[:CHECKED]))
    net = folder / "net.safetensors"
    if recipe.calibrate:
        calibrated(model, recipe.calibrate, data).save(net)
    else:
        lowbit.export(model, images).save(net)
    network = lowbit.load(net, batch=64)
    with torch.no_grad():
        equal = (torch.from_numpy(network(images.numpy())) == model(images)).flatten(1).all(1)
    if recipe.exact and not equal.all():
        raise RuntimeError(f"{recipe.name}: {int((~equal).sum())} of {CHECKED} outputs differ")
    measured = measure(network, recipe.data, Preprocessing())
    total = asdict(lowbit.summary(model, images).total)
    if recipe.calibrate:  # the model is float, what was made of it is not
        total |= {"low_bit_macs": total["float_macs"], "float_macs": 0}
    return {**asdict(measured), "seed": seed, "total": total}


def calibrated(model: nn.Module, how: Calibration, data: FashionMNIST) -> lowbit.ir.Graph:
    images = torch.from_numpy(Preprocessing()(data.train_images[: how.images]))
    graph = lowbit.ptq(
        model,
        images.split(100),
        how.method,
        weight_bits=how.weight_bits,
        bias_corrected=how.bias_corrected,
    )
    if graph.notes:
        raise RuntimeError(f"not all of it has 8 bits: {'; '.join(graph.notes)}")
    return graph
