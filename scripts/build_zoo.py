"""Trains the zoo's weights as scripts/zoo_recipes.toml says, and writes their cards.

    python scripts/build_zoo.py "vgg_mini.*" --seeds 3
    python scripts/build_zoo.py --list

Each epoch is checkpointed under runs/zoo/NAME/seedK, with its log; an interrupted run goes on where
it was, and a finished one is not run again unless its recipe changed. What others start from or are
taught by is built first. The first seed's weights are published, whatever the others reached:
choosing the best would be choosing by the test set.
"""

import argparse
import hashlib
import json
import logging
import shutil
import time
import tomllib
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

import lowbit
from lowbit import zoo
from lowbit.data import FashionMNIST
from lowbit.schemes import Scheme
from lowbit.tables import render
from lowbit.timing import cpu_model
from lowbit.train import (
    Classifier,
    ClipLatentWeights,
    FashionMNISTData,
    QuantizationSchedule,
    recalibrate_batchnorm,
)
from lowbit.zoo.cards import Card, File, Preprocessing
from lowbit.zoo.data import DATASETS
from lowbit.zoo.evaluate import accuracy
from lowbit.zoo.registry import build as build_model
from lowbit.zoo.weights import load_weights, rounded, save_weights

ROOT = Path(__file__).parents[1]
CHECKED = 256  # test images on which eager torch and the runtime are compared, bit for bit
BUNDLED = 600_000  # bytes: files up to here ship in the package
LICENCES = {"fashion_mnist": "MIT (data), Apache-2.0 (weights)"}


@dataclass(frozen=True)
class Stage:
    epochs: int
    lr: float = 2e-3
    optimizer: str = "adam"
    gamma: float = 1e-4
    inputs_from: float = 0.0
    weights_from: float = 0.0
    clip: bool = False
    teacher: str = ""
    distill: float = 0.5


@dataclass(frozen=True)
class Recipe:
    name: str
    stages: tuple[Stage, ...]
    data: str
    batch: int
    shift: int
    flip: bool
    exact: bool
    scheme: dict[str, str | None] | None = None
    start: str = ""
    input: tuple[int, int, int] = (0, 0, 0)
    url: str = ""
    notes: str = ""

    @property
    def needs(self) -> list[str]:
        return sorted({self.start, *(stage.teacher for stage in self.stages)} - {""})

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def recipes(path: Path) -> dict[str, Recipe]:
    said = tomllib.loads(path.read_text())
    defaults = said.pop("defaults")
    return {name: recipe(name, defaults | own) for name, own in said.items()}


def recipe(name: str, said: dict[str, Any]) -> Recipe:
    """Raises TypeError for a key that means nothing."""
    said = {**said, "stages": tuple(Stage(**stage) for stage in said["stages"])}
    if "scheme" in said:  # TOML has no null
        said["scheme"] = {k: None if v == "none" else v for k, v in said["scheme"].items()}
    if "input" in said:
        said["input"] = tuple(said["input"])
    return Recipe(name, **said)


@dataclass(frozen=True)
class Workshop:
    """The recipes, and the folders where runs, weights and cards go."""

    recipes: dict[str, Recipe]
    runs: Path
    weights: Path
    cards: Path
    progress: bool = True

    def folder(self, recipe: Recipe, seed: int) -> Path:
        return self.runs / recipe.name / f"seed{seed}"


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


def forget_another_recipe(folder: Path, recipe: Recipe) -> None:
    """A checkpoint is resumed by the recipe that made it, and by no other."""
    mark = folder / "recipe"
    if folder.exists() and (not mark.exists() or mark.read_text() != recipe.digest):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write(mark, recipe.digest)


def new_model(recipe: Recipe) -> nn.Module:
    known = zoo.architecture(recipe.name)
    scheme = None if recipe.scheme is None else Scheme(**recipe.scheme)
    return build_model(known, shape(recipe), known.classes, scheme, recipe.exact)


def shape(recipe: Recipe) -> tuple[int, int, int]:
    """The architecture's own, but for the digits' 8 x 8."""
    if recipe.data == "digits":
        return (1, 8, 8)
    return recipe.input if any(recipe.input) else zoo.architecture(recipe.name).input


def trained(
    shop: Workshop, recipe: Recipe, seed: int, data: FashionMNIST, folder: Path
) -> nn.Module:
    L.seed_everything(seed, verbose=False)
    model = new_model(recipe)
    if recipe.start:
        start = finished(shop, shop.recipes[recipe.start], seed).state_dict()
        model.load_state_dict({k: v for k, v in start.items() if "_quantizer." not in k})
    for i, stage in enumerate(recipe.stages):
        teacher = finished(shop, shop.recipes[stage.teacher], seed) if stage.teacher else None
        source = loader(recipe, data, 1000 * seed + i)
        fit(model, stage, teacher, source, folder / f"stage{i}.ckpt", shop.progress)
    recalibrate_batchnorm(model.cpu(), loader(recipe, data, seed).train_dataloader())
    return model.eval()


def finished(shop: Workshop, recipe: Recipe, seed: int) -> nn.Module:
    path = shop.folder(recipe, seed) / "weights.safetensors"
    return load_weights(new_model(recipe), path).eval()


def loader(recipe: Recipe, data: FashionMNIST, seed: int) -> FashionMNISTData:
    source = FashionMNISTData(
        batch_size=recipe.batch, seed=seed, shift=recipe.shift, flip=recipe.flip
    )
    source.data = data
    return source


def fit(
    model: nn.Module,
    stage: Stage,
    teacher: nn.Module | None,
    data: FashionMNISTData,
    checkpoint: Path,
    progress: bool,
) -> None:
    """Trains one stage, taken up from its checkpoint if there is one."""
    callbacks: list[L.Callback] = [
        ModelCheckpoint(checkpoint.parent, checkpoint.stem, enable_version_counter=False),
        QuantizationSchedule(stage.inputs_from, stage.weights_from),
        *([ClipLatentWeights()] if stage.clip else []),
    ]
    trainer = L.Trainer(
        max_epochs=stage.epochs,
        callbacks=callbacks,
        logger=CSVLogger(checkpoint.parent, "log", checkpoint.stem),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )
    task = Classifier(
        model,
        lr=stage.lr,
        optimizer=stage.optimizer,
        gamma=stage.gamma,
        teacher=teacher,
        distill=stage.distill,
    )
    done = checkpoint if checkpoint.exists() else None
    trainer.fit(task, data, ckpt_path=done, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt


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


def publish(
    shop: Workshop, recipe: Recipe, results: Sequence[dict[str, Any]], command: str
) -> Card:
    """The card of the first seed's weights, and the files where the card says they are."""
    first, known = results[0], zoo.architecture(recipe.name)
    folder = shop.folder(recipe, first["seed"])
    totals = {k: first["total"][k] for k in ("binary_macs", "low_bit_macs", "float_macs")}
    card = Card(
        name=recipe.name,
        task=f"{known.classes} classes of small grey images",
        data=recipe.data,
        preprocess=Preprocessing(),
        input=shape(recipe),
        classes=known.classes,
        scheme=recipe.scheme,
        exact=recipe.exact,
        accuracy=first["accuracy"],
        test_images=first["test_images"],
        seed=first["seed"],
        spread={str(r["seed"]): r["accuracy"] for r in results},
        cost={"minutes": round(first["minutes"], 1), "machine": machine()},
        bits=recipe.name.partition(".")[2].partition("_")[0],
        parameters=first["total"]["parameters"],
        **totals,
        licence=LICENCES.get(recipe.data, "Apache-2.0"),
        paper=known.paper,
        command=command,
        graph=placed(shop, folder / "net.safetensors", f"{recipe.name}.safetensors", recipe.url),
        weights=placed(
            shop, folder / "weights.safetensors", f"{recipe.name}.torch.safetensors", recipe.url
        ),
        versions={p: version(p) for p in ("torch", "lightning", "numpy", "numba")}
        | {"lowbit": lowbit.__version__},
        notes=recipe.notes,
    )
    shop.cards.mkdir(parents=True, exist_ok=True)
    write(shop.cards / f"{recipe.name}.json", card.to_json())
    return card


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


def write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text)
    unfinished.replace(path)


def report(cards: Sequence[Card]) -> str:
    rows = []
    for card in cards:
        found = [100 * a for a in card.spread.values()]
        spread = f"{stdev(found):.2f}" if len(found) > 1 else ""
        rows.append(
            [card.name, f"{100 * card.accuracy:.2f}", f"{mean(found):.2f}", spread, card.bytes]
        )
    return render(["weights", "accuracy", "mean", "sd", "bytes"], rows)


def chosen(known: dict[str, Recipe], patterns: Sequence[str]) -> list[Recipe]:
    found = [r for name, r in known.items() if any(fnmatchcase(name, p) for p in patterns)]
    if not found:
        raise SystemExit(f"no recipe matches {' '.join(patterns)}: --list shows all")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=["*"], help="patterns of arch.tag")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--recipes", type=Path, default=Path(__file__).with_name("zoo_recipes.toml")
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "zoo")
    parser.add_argument("--out", type=Path, default=ROOT / "zoo", help="has cards/ and weights/")
    parser.add_argument("--list", action="store_true", help="only name the recipes")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.parse_args(arguments)
    known = recipes(given.recipes)
    wanted = chosen(known, given.names)
    if given.list:
        print("\n".join(r.name for r in wanted))
        return
    torch.set_num_threads(given.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    shop = Workshop(known, given.runs, given.out / "weights", given.out / "cards", not given.quiet)
    cards = []
    for each in wanted:
        results = [build(shop, each, seed) for seed in range(given.seeds)]
        command = f"python scripts/build_zoo.py {each.name} --seeds {given.seeds}"
        cards.append(publish(shop, each, results, command))
        print(report(cards), flush=True)


if __name__ == "__main__":
    main()
