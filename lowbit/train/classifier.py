"""A LightningModule around any classifier: cross-entropy, distillation, Adam or Bop, a schedule."""

import math
from collections.abc import Callable
from typing import Literal

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lowbit.optim import bop_and_adam
from lowbit.train.callbacks import require_full_precision

Batch = tuple[Tensor, Tensor]


class Classifier(L.LightningModule):
    """Trains `model`, which maps images (N, ...) to logits (N, C), or text (N, T) to (N, T, C). The
    hyper-parameters are plain numbers and strings, so that checkpoints load with
    `weights_only=True`.

    With a `teacher`, frozen, the loss is (1 - distill) CE + distill T^2 KL(teacher || model) at
    temperature T: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. The
    teacher is not a submodule: it is neither trained nor saved.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        optimizer: Literal["adam", "bop"] = "adam",
        schedule: Literal["cosine", "constant"] = "cosine",
        weight_decay: float = 0.0,
        gamma: float = 1e-4,
        threshold: float = 1e-8,
        teacher: nn.Module | None = None,
        distill: float = 0.5,
        temperature: float = 4.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["model", "teacher"])
        self.model = model
        self._teacher = (teacher,)  # in a tuple, where torch does not look for submodules
        if teacher is not None:
            teacher.eval().requires_grad_(False)

    def setup(self, stage: str) -> None:
        require_full_precision(self.trainer)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        logits, y = examples(self(x)), y.flatten()
        loss = self._loss(x, logits, y)
        self._report("train", loss, logits, y)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: Batch) -> None:
        x, y = batch
        logits, y = examples(self(x)), y.flatten()
        self._report(split, F.cross_entropy(logits, y), logits, y)

    def _loss(self, x: Tensor, logits: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(logits, y)
        (teacher,) = self._teacher
        if teacher is None:
            return loss
        with torch.no_grad():
            target = examples(teacher.to(x.device)(x))
        share = self.hparams["distill"]
        hint = distillation(logits, target, self.hparams["temperature"])
        return (1 - share) * loss + share * hint

    def _report(self, split: str, loss: Tensor, logits: Tensor, y: Tensor) -> None:
        accuracy = (logits.argmax(1) == y).float().mean()
        self.log_dict(
            {f"{split}_loss": loss, f"{split}_acc": accuracy},
            prog_bar=True,
            on_epoch=True,
            on_step=split == "train",
            sync_dist=split != "train",
            batch_size=len(y),
        )

    def configure_optimizers(self):
        optimizer = self._optimizer()
        if self.hparams["schedule"] == "constant":
            return optimizer
        scheduler = LambdaLR(optimizer, cosine(self.trainer.estimated_stepping_batches))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _optimizer(self) -> Optimizer:
        h = self.hparams
        if h["optimizer"] == "bop":
            return bop_and_adam(self.model, h["lr"], h["gamma"], h["threshold"], h["weight_decay"])
        return Adam(self.model.parameters(), h["lr"], weight_decay=h["weight_decay"])


def examples(logits: Tensor) -> Tensor:
    """(..., C) to (N, C): every place of a text is an example of its own."""
    return logits.flatten(0, -2)


def distillation(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(target / T) || softmax(logits / T)), the mean over the batch."""
    student = F.log_softmax(logits / temperature, 1)
    teacher = F.log_softmax(target / temperature, 1)
    divergence = F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def cosine(total: float) -> Callable[[int], float]:
    """Half a cosine from 1 to 0 over `total` steps, a pure function of the step."""
    if math.isinf(total):
        raise ValueError("a cosine schedule needs an end: give the Trainer max_epochs or max_steps")
    return lambda step: 0.5 * (1 + math.cos(math.pi * min(step / total, 1)))
