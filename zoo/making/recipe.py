"""A recipe: everything that decides what a set of weights becomes, as data."""

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields
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
class Calibration:
    """8 bits without training: the first training images, and lowbit.ptq's choices."""

    images: int = 500
    method: str = "minmax"
    weight_bits: int = 8
    bias_corrected: bool = False


@dataclass(frozen=True)
class Recipe:
    """`start` and the stages' teachers are the published weights of those names, the first seed's,
    whatever seed is trained from them."""

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
    calibrate: Calibration | None = None
    input: tuple[int, int, int] = (0, 0, 0)
    url: str = ""
    latent: bool = True  # weights for torch are the latent ones, not their signs alone
    notes: str = ""

    @property
    def needs(self) -> list[str]:
        return sorted({self.start, *(stage.teacher for stage in self.stages)} - {""})

    @property
    def digest(self) -> str:
        """Of what was chosen, so that a new setting, left alone, changes no recipe."""
        said = json.dumps(chosen(self), sort_keys=True, default=chosen)
        return hashlib.sha256(said.encode()).hexdigest()


def chosen(setting: Any) -> dict[str, Any]:
    """The fields of a recipe, or of a part of one, that are not what they are by default."""
    return {f.name: v for f in fields(setting) if (v := getattr(setting, f.name)) != f.default}


def recipes(path: Path) -> dict[str, Recipe]:
    said = tomllib.loads(path.read_text())
    defaults = said.pop("defaults")
    return {name: recipe(name, defaults | own) for name, own in said.items()}


def recipe(name: str, said: dict[str, Any]) -> Recipe:
    """Raises TypeError for a key that means nothing."""
    said = {**said, "stages": tuple(Stage(**stage) for stage in said.get("stages", ()))}
    if "calibrate" in said:
        said["calibrate"] = Calibration(**said["calibrate"])
    if "scheme" in said:  # TOML has no null
        said["scheme"] = {k: None if v == "none" else v for k, v in said["scheme"].items()}
    if "input" in said:
        said["input"] = tuple(said["input"])
    return Recipe(name, **said)


def new_model(recipe: Recipe) -> nn.Module:
    known = zoo.architecture(recipe.name)
    scheme = None if recipe.scheme is None else Scheme(**recipe.scheme)
    return build(known, shape(recipe), known.classes, scheme, recipe.exact)


def shape(recipe: Recipe) -> tuple[int, ...]:
    """The architecture's own, but for the digits' 8 x 8."""
    if recipe.data == "digits":
        return (1, 8, 8)
    return recipe.input if any(recipe.input) else zoo.architecture(recipe.name).input
