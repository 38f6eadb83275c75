"""The folders where runs, weights and cards go, and files that appear there whole."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lowbit import atomic
from lowbit.zoo.cards import Card, from_json
from lowbit.zoo.making.recipe import Recipe


@dataclass(frozen=True)
class Workshop:
    """The recipes, and the folders where runs, weights and cards go."""

    recipes: dict[str, Recipe]
    runs: Path
    weights: Path
    cards: Path
    progress: bool = True
    first: int = 0  # the seed whose weights are published, and which others start from

    def folder(self, recipe: Recipe, seed: int) -> Path:
        return self.runs / recipe.name / f"seed{seed}"

    def card(self, recipe: Recipe) -> Card | None:
        """What was published of this very recipe, on this machine or another."""
        path = self.cards / f"{recipe.name}.json"
        card = from_json(path.read_text()) if path.exists() else None
        return card if card and card.recipe == recipe.digest else None

    def published(self, recipe: Recipe) -> Path:
        """The weights of the first seed, for torch: the card's if it has them, else the run's."""
        if (card := self.card(recipe)) and card.weights:
            return self.weights / card.weights.name
        return self.folder(recipe, self.first) / "weights.safetensors"


def forget_another_recipe(folder: Path, recipe: Recipe) -> None:
    """A checkpoint is resumed by the recipe that made it, and by no other."""
    mark = folder / "recipe"
    if folder.exists() and (not mark.exists() or mark.read_text() != recipe.digest):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(mark, recipe.digest)
