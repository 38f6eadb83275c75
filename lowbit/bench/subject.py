"""What is raced: a float network with random weights, in the forms that the contestants take."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from lowbit.factory import Factory, factory
from lowbit.plain import plain
from lowbit.sweep.models import build, float_twin
from lowbit.sweep.schemes import scheme
from lowbit.zoo.architecture import architectures

CALIBRATION = 4  # batches


@dataclass
class Subject:
    """`images` is one batch; `folder` is for files that contestants want."""

    twin: nn.Module
    images: Tensor
    threads: int
    folder: Path

    @cached_property
    def model(self) -> nn.Module:
        """Float, in evaluation mode, of torch's own layers."""
        return plain(self.twin).eval()

    @property
    def batch(self) -> int:
        return len(self.images)

    @cached_property
    def calibration(self) -> list[Tensor]:
        return [torch.rand_like(self.images) for _ in range(CALIBRATION)]

    @cached_property
    def expected(self) -> Tensor:
        with torch.inference_mode():
            return self.model(self.images)


def known(name: str) -> tuple[Factory, tuple[int, ...]]:
    """A network of the zoo at its paper's size, as `resnet18` or `resnet18(exact=True)`."""
    found = factory(name)
    if found.name not in architectures():
        raise ValueError(f"no architecture {found.name!r}: `lowbit zoo list` shows all")
    arch = architectures()[found.name]
    given = {"shape": list(arch.input), "classes": arch.classes, **found.arguments}
    return Factory(found.module, found.name, given), tuple(given["shape"])


def settled(model: nn.Module, images: Tensor) -> nn.Module:
    """With statistics and learned steps that fit its random weights, so that values stay sane."""
    model.train()
    with torch.no_grad():
        for _ in range(8):
            model(torch.cat([torch.rand_like(images), images]))
    return model.eval()


def subject(found: Factory, shape: tuple[int, ...], batch: int, threads: int, folder: Path):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (batch, *shape)) / 255
    return Subject(settled(float_twin(found), images), images, threads, folder)


def low_bit(found: Factory, text: str, images: Tensor) -> nn.Module:
    torch.manual_seed(0)
    return settled(build(found, scheme(text)), images)
