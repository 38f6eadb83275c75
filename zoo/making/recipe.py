"""A recipe: everything that decides what a set of weights becomes, as data."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from lowbit import zoo
from lowbit.schemes import Scheme
from lowbit.zoo.registry import build


@dataclass(frozen=True)
class Stage:
    epochs: int
    lr: float = 2e-3
    optimizer: Literal["adam", "bop"] = "adam"
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
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
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


def new_model(recipe: Recipe) -> nn.Module:
    known = zoo.architecture(recipe.name)
    scheme = None if recipe.scheme is None else Scheme(**recipe.scheme)
    return build(known, shape(recipe), known.classes, scheme, recipe.exact)


def shape(recipe: Recipe) -> tuple[int, int, int]:
    """The architecture's own, but for the digits' 8 x 8."""
    if recipe.data == "digits":
        return (1, 8, 8)
    channels, *sides = recipe.input if any(recipe.input) else zoo.architecture(recipe.name).input
    return channels, sides[0], sides[1]
