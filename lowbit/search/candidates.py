"""The float network that is searched over, and what a choice of widths makes of its accuracy."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lowbit.data import FashionMNIST
from lowbit.factory import Factory
from lowbit.sweep.executors.attempt import Site, Tell
from lowbit.sweep.models import mixed, products
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.schemes import FLOAT
from lowbit.sweep.schemes import mixed as mixed_scheme
from lowbit.sweep.train import first_batches, start_steps, trained
from lowbit.sweep.turns import Turns
from lowbit.train import recalibrate_batchnorm

CALIBRATION = 4  # batches
PART = 500


@dataclass(frozen=True)
class Candidates:
    twin: nn.Module
    calibration: list[tuple[Tensor, Tensor]]
    images: Tensor
    labels: Tensor

    @property
    def layers(self) -> list[str]:
        return list(products(self.twin))

    def network(self, widths: Sequence[str]) -> nn.Module:
        """In evaluation mode, calibrated and not trained."""
        model = mixed(deepcopy(self.twin), mixed_scheme(widths))
        start_steps(model, self.calibration[:1])
        recalibrate_batchnorm(model, self.calibration)
        return model.eval()

    def accuracy(self, widths: Sequence[str]) -> float:
        """On images that were not trained on, from the training set: the test set is for later."""
        model = self.network(widths)
        with torch.inference_mode():
            scores = torch.cat([model(part) for part in self.images.split(PART)])
        return (scores.argmax(1) == self.labels).double().mean().item()


def candidates(
    factory: Factory,
    recipe: Recipe,
    data: FashionMNIST,
    held: int,
    seed: int,
    site: Site,
    tell: Tell,
    turns: Turns,
) -> Candidates:
    """Trains the float network, with the last `held` training images kept back."""
    count = recipe.train_images or len(data.train_images)
    if not 0 < held < count:
        raise ValueError(f"of {count} training images, {held} cannot be held back")
    how = replace(recipe, train_images=count - held)
    twin, _ = trained(factory, FLOAT, how, seed, data, site, tell, turns)
    plain = replace(how, shift=0, flip=False)
    images = torch.from_numpy(data.train_images[count - held : count, None].astype("float32"))
    labels = torch.from_numpy(data.train_labels[count - held : count].astype("int64"))
    batches = list(first_batches(plain, seed, data, CALIBRATION))
    return Candidates(twin, batches, images / 255, labels)
