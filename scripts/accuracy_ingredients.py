"""What each ingredient of the zoo's binary recipe is worth, by leaving one out at a time.

    python scripts/accuracy_ingredients.py --seeds 1

scripts/ingredients.toml has the recipes, five epochs of Fashion-MNIST each; quoted is the accuracy
of the integers on the whole test set. A run is checkpointed under runs/ingredients each epoch, and
a finished (recipe, seed) is not run again: the file is the record.
"""

import argparse
import logging
import warnings
from pathlib import Path

import torch
from results_csv import append, read

from lowbit.tables import render
from lowbit.zoo.making.build import build
from lowbit.zoo.making.recipe import Recipe, recipes
from lowbit.zoo.making.workshop import Workshop

ROOT = Path(__file__).parents[1]
HERE = ROOT / "scripts"


def run(shop: Workshop, recipe: Recipe, seed: int) -> dict[str, object]:
    found = build(shop, recipe, seed)
    accuracy, minutes = f"{100 * found['accuracy']:.2f}", f"{found['minutes']:.1f}"
    name = {"recipe": recipe.name.partition(".")[2], "what": recipe.notes, "seed": seed}
    return name | {"accuracy": accuracy, "minutes": minutes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "ingredients")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "ingredients.csv")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    own = recipes(HERE / "ingredients.toml")
    known = recipes(HERE / "zoo_recipes.toml") | own  # for the teacher
    shop = Workshop(known, given.runs, ROOT / "zoo/weights", ROOT / "zoo/cards", not given.quiet)
    for seed in range(given.seeds):
        for recipe in own.values():
            done = {(r["what"], r["seed"]) for r in read(given.out)}
            if (recipe.notes, str(seed)) not in done:
                append(given.out, run(shop, recipe, seed))
    print(render(["recipe", "seed", "accuracy"], rows(read(given.out))))


def rows(found: list[dict[str, str]]) -> list[list[str]]:
    return [[r["what"], r["seed"], r["accuracy"]] for r in found]


if __name__ == "__main__":
    main()
