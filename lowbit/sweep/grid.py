"""The grid: models x schemes x recipes x seeds, each combination checked before any is run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import lowbit
from lowbit.factory import Factory, factory, fitted
from lowbit.kernels.barrier import PIECES
from lowbit.sweep import data as datasets
from lowbit.sweep.config import Config
from lowbit.sweep.executors.attempt import one_line
from lowbit.sweep.machine import installed
from lowbit.sweep.models import made
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.schemes import Scheme, scheme


class GridError(ValueError):
    """Combinations that cannot be: all of them, each with the reason."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What to sweep over. `threads` and `batches` are what latency is measured at."""

    schemes: Sequence[str]
    models: Sequence[str] = ("larq_cnn",)
    recipes: Sequence[Recipe] = field(default_factory=lambda: [Recipe()])
    seeds: Sequence[int] = (0,)
    data: str = "fashion_mnist"
    threads: Sequence[int] = (1,)
    batches: Sequence[int] = (1,)
    rounds: int = 100

    def configs(self) -> list[Config]:
        """Every trial, seeds outermost: each scheme has one result before any has two."""
        require_threads(self.threads)
        data = datasets.described(self.data)
        models = [fitted(factory(text), data["shape"], data["classes"]) for text in self.models]
        schemes = [scheme(text) for text in self.schemes]
        check(models, schemes, {recipe.float_epochs > 0 for recipe in self.recipes})
        common = {
            "format": 1,
            "data": data,
            "measure": self.measure(),
            "versions": {"lowbit": lowbit.__version__, "torch": installed("torch")},
        }
        return [
            {
                **common,
                "model": model.to_json(),
                "scheme": quantizers.to_json(),
                "recipe": recipe.to_json(),
                "seed": seed,
            }
            for seed, recipe, model, quantizers in product(
                self.seeds, self.recipes, models, schemes
            )
        ]

    def measure(self) -> dict[str, Any]:
        return {
            "threads": list(self.threads),
            "batches": list(self.batches),
            "rounds": self.rounds,
        }


@dataclass(frozen=True, slots=True)
class Grids:
    """Several grids as one sweep: schemes that are trained each in its own way."""

    parts: Sequence[Grid]

    def configs(self) -> list[Config]:
        """All parts' trials, the first seeds of each first."""
        found = [config for part in self.parts for config in part.configs()]
        return sorted(found, key=lambda config: config["seed"])

    def changed(self, **axes: Any) -> "Grids":
        """Every part with these axes in place of its own, what is then the same but once."""
        return Grids(list(unique(replace(part, **axes) for part in self.parts)))


def unique(grids: Iterable[Grid]) -> Iterator[Grid]:
    seen: list[Grid] = []
    for grid in grids:
        if grid not in seen:
            seen.append(grid)
            yield grid


def require_threads(threads: Iterable[int]) -> None:
    wrong = [count for count in threads if not 1 <= count <= PIECES]
    if wrong:
        raise GridError(f"threads are 1 to {PIECES}, not {wrong}")


def check(models: list[Factory], schemes: list[Scheme], from_float: set[bool]) -> None:
    """Builds every combination once, which takes milliseconds and finds what can never run."""
    refused, combinations = [], list(product(models, schemes, sorted(from_float)))
    for model, quantizers, twin_first in combinations:
        try:
            made(model, quantizers, twin_first)
        except ImportError:
            raise
        except Exception as error:  # a user's factory may raise anything
            why = str(error) if isinstance(error, ValueError) else one_line(error)
            refused.append(f"{model} with {quantizers}: {why}")
    if refused:
        raise GridError(
            f"{len(refused)} of {len(combinations)} combinations cannot be, and nothing "
            f"was run: {'; '.join(refused)}"
        )
