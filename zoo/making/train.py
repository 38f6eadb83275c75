"""A recipe's stages, one after the other, each resumed from its last epoch."""

from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from lowbit.data import FashionMNIST
from lowbit.train import (
    Classifier,
    ClipLatentWeights,
    FashionMNISTData,
    QuantizationSchedule,
    recalibrate_batchnorm,
)
from lowbit.zoo.making.recipe import Recipe, Stage, new_model
from lowbit.zoo.making.workshop import Workshop
from lowbit.zoo.weights import load_weights


def trained(
    shop: Workshop, recipe: Recipe, seed: int, data: FashionMNIST, folder: Path
) -> nn.Module:
    L.seed_everything(seed, verbose=False)
    model = new_model(recipe)
    if recipe.start:
        start = finished(shop, shop.recipes[recipe.start], seed).state_dict()
        model.load_state_dict({k: v for k, v in start.items() if "_quantizer." not in k})
    for i, stage in enumerate(recipe.stages):
        L.seed_everything(1000 * seed + i, verbose=False)  # of dropout, whatever ran before
        teacher = finished(shop, shop.recipes[stage.teacher], seed) if stage.teacher else None
        source = loader(recipe, data, 1000 * seed + i)
        fit(
            model,
            stage,
            teacher,
            source,
            folder / f"stage{i}.ckpt",
            recipe.precision,
            shop.progress,
        )
    in_memory(model.cpu(), torch.contiguous_format)
    recalibrate_batchnorm(model, loader(recipe, data, seed).train_dataloader())
    return model.eval()


def in_memory(model: nn.Module, order: torch.memory_format) -> None:
    """Module.to(memory_format=...), which torch's own types do not know."""
    for p in model.parameters():
        if p.ndim == 4:
            p.data = p.data.contiguous(memory_format=order)


def finished(shop: Workshop, recipe: Recipe, seed: int) -> nn.Module:
    path = shop.folder(recipe, seed) / "weights.safetensors"
    return load_weights(new_model(recipe), path).eval()


def loader(recipe: Recipe, data: FashionMNIST, seed: int) -> FashionMNISTData:
    source = FashionMNISTData(
        batch_size=recipe.batch, seed=seed, shift=recipe.shift, flip=recipe.flip
    )
    source.data = data
    return source


def fit(
    model: nn.Module,
    stage: Stage,
    teacher: nn.Module | None,
    data: FashionMNISTData,
    checkpoint: Path,
    precision: Literal["32-true", "bf16-mixed"],
    progress: bool,
) -> None:
    """Trains one stage, taken up from its checkpoint if there is one.

    Channels last, and bfloat16 products where the recipe allows them, halve the time of a CPU;
    what is exported is evaluated in float32 whatever it was trained in.
    """
    in_memory(model, torch.channels_last)
    callbacks: list[L.Callback] = [
        ModelCheckpoint(checkpoint.parent, checkpoint.stem, enable_version_counter=False),
        QuantizationSchedule(stage.inputs_from, stage.weights_from),
        *([ClipLatentWeights()] if stage.clip else []),
    ]
    trainer = L.Trainer(
        max_epochs=stage.epochs,
        callbacks=callbacks,
        logger=CSVLogger(checkpoint.parent, "log", checkpoint.stem),
        num_sanity_val_steps=0,
        precision=precision,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )
    task = Classifier(
        model,
        lr=stage.lr,
        optimizer=stage.optimizer,
        gamma=stage.gamma,
        teacher=teacher,
        distill=stage.distill,
    )
    done = checkpoint if checkpoint.exists() else None
    trainer.fit(task, data, ckpt_path=done, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
