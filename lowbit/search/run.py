"""The search as one call, and its record in a sweep's store."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import torch

import lowbit
from lowbit.factory import factory, fitted
from lowbit.search.candidates import candidates
from lowbit.search.costs import measured
from lowbit.search.pareto import Widths, best, narrowed, searched, sensitivity
from lowbit.sweep import data as datasets
from lowbit.sweep.config import digest
from lowbit.sweep.executors.attempt import Site
from lowbit.sweep.machine import installed
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.store import Store
from lowbit.sweep.turns import Turns

Say = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Search:
    """What to search: `budget` is in `unit`, bytes or ms an image with `batch` at a time; `recipe`
    trains the float network; `held` training images rank the candidates."""

    model: str
    budget: float
    unit: str = "bytes"
    choices: Sequence[str] = ("2", "4", "8")
    data: str = "fashion_mnist"
    recipe: Recipe = field(default_factory=Recipe)
    trials: int = 150
    keep: int = 3
    held: int = 2000
    seed: int = 0
    batch: int = 1

    def config(self) -> dict[str, Any]:
        data = datasets.described(self.data)
        found = fitted(factory(self.model), data["shape"], data["classes"])
        versions = {"lowbit": lowbit.__version__, "torch": installed("torch")}
        own = {k: v for k, v in asdict(self).items() if k not in ("data", "recipe", "model")}
        own["choices"] = list(self.choices)
        about = {"data": data, "recipe": self.recipe.to_json(), "model": found.to_json()}
        return {"format": 1, "search": own, **about, "versions": versions}


def search(wanted: Search, store: Store, say: Say) -> dict[str, Any]:
    """The record, as the store now has it: sensitivity, candidates, and the best schemes."""
    config = wanted.config()
    if kept := store.searched(config):
        return kept
    torch.set_num_threads(1)
    with Turns() as turns:
        result = run(wanted, config, Site(store.scratch(digest(config))), say, turns)
    store.save_search({"config": config, "result": result})
    return store.searches()[digest(config)]


def run(
    wanted: Search, config: dict[str, Any], site: Site, say: Say, turns: Turns
) -> dict[str, Any]:
    data = datasets.same(config["data"])
    model = fitted(factory(wanted.model), config["data"]["shape"], config["data"]["classes"])
    found = candidates(model, wanted.recipe, data, wanted.held, wanted.seed, site, say, turns)
    accuracy = cache(found.accuracy)
    say(0.0, "one layer at a time")
    alone = sensitivity(found.layers, wanted.choices, accuracy)
    say(0.0, "measuring kernels")
    with turns.measuring():
        costs = measured(found, wanted.choices, wanted.batch)

    def cost(widths: Widths) -> float:
        return costs[wanted.unit].of(found.layers, widths)

    points = searched(
        found.layers,
        wanted.choices,
        accuracy,
        cost,
        wanted.budget,
        wanted.trials,
        wanted.seed,
        lambda count: say(count / wanted.trials, "searching"),
        [narrowed(found.layers, alone, cost, wanted.budget)],
    )
    chosen = best(points, wanted.budget, wanted.keep)
    return {
        "layers": found.layers,
        "float": accuracy(("f",) * len(found.layers)),
        "sensitivity": alone,
        "costs": {unit: asdict(cost) for unit, cost in costs.items()},
        "points": [{**asdict(p), "scheme": p.scheme} for p in points],
        "best": [p.scheme for p in chosen],
    }
