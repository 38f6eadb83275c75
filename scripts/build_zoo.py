"""Trains the zoo's weights as scripts/zoo_recipes.toml says, and writes their cards.

    python scripts/build_zoo.py "vgg_mini.*" --seeds 3
    python scripts/build_zoo.py --list

Each epoch is checkpointed under runs/zoo/NAME/seedK, with its log; an interrupted run goes on where
it was, and a finished one is not run again unless its recipe changed; nor is one whose accuracy the
card already has, wherever that was found, so that machines can share the seeds. What others start
from or are taught by is built first. The first seed's weights are published, whatever the others
reached: choosing the best would be choosing by the test set.
"""

import argparse
import logging
import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import mean, stdev

import torch

from lowbit.tables import render
from lowbit.zoo.cards import Card
from lowbit.zoo.making.build import build
from lowbit.zoo.making.publish import publish
from lowbit.zoo.making.recipe import Recipe, recipes
from lowbit.zoo.making.workshop import Workshop

ROOT = Path(__file__).parents[1]


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
        seeds = 1 if each.calibrate else given.seeds  # calibration throws no dice
        results = [build(shop, each, seed) for seed in range(seeds)]
        command = f"python scripts/build_zoo.py {each.name} --seeds {given.seeds}"
        cards.append(publish(shop, each, results, command))
        print(report(cards), flush=True)


if __name__ == "__main__":
    main()
