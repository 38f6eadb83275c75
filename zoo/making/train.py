"""A recipe's stages, one after the other, each resumed from its last epoch."""

from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from lowbit.data import FashionMNIST
from lowbit.kernels import cpu
from lowbit.train import (
    Classifier,
    ClipLatentWeights,
    FashionMNISTData,
    QuantizationSchedule,
    Stopwatch,
    recalibrate_batchnorm,
)
from lowbit.zoo.making.recipe import Recipe, Stage, new_model
from lowbit.zoo.making.workshop import Workshop
from lowbit.zoo.weights import keep_signs_alone, load_weights, rounded


def trained(
    shop: Workshop, recipe: Recipe, seed: int, data: FashionMNIST, folder: Path
) -> tuple[nn.Module, float]:
    """The model in evaluation mode, and the minutes that its training took."""
    L.seed_everything(seed, verbose=False)
    model = new_model(recipe)
    watches = [Stopwatch() for _ in recipe.stages]
    if recipe.start:
        start = finished(shop, shop.recipes[recipe.start]).state_dict()
        model.load_state_dict({k: v for k, v in start.items() if "_quantizer." not in k})
    for i, stage in enumerate(recipe.stages):
        L.seed_everything(1000 * seed + i, verbose=False)  # of dropout, whatever ran before
        teacher = finished(shop, shop.recipes[stage.teacher]) if stage.teacher else None
        source = loader(recipe, data, 1000 * seed + i)
        fit(
            model,
            stage,
            teacher,
            source,
            folder / f"stage{i}.ckpt",
            usable(recipe.precision),
            shop.progress,
            watches[i],
        )
    in_memory(model.cpu(), torch.contiguous_format)
    if not recipe.latent:
        keep_signs_alone(model)
    if recipe.stages:
        rounded(model)  # statistics are of the weights that are kept
        recalibrate_batchnorm(model, loader(recipe, data, seed).train_dataloader())
    return model.eval(), sum(watch.seconds for watch in watches) / 60


Precision = Literal["32-true", "bf16-mixed"]


def usable(precision: Precision) -> Precision:
    """bfloat16 where there is hardware for it: a processor that emulates it is slower than in
    float32. A card's cost says which it was."""
    fast = torch.cuda.is_available() or {"avx512bf16", "amx-bf16", "bf16"} & cpu.features()
    return precision if fast else "32-true"


def in_memory(model: nn.Module, order: torch.memory_format) -> None:
    """Module.to(memory_format=...), which torch's own types do not know."""
    for p in model.parameters():
        if p.ndim == 4:
            p.data = p.data.contiguous(memory_format=order)


def finished(shop: Workshop, recipe: Recipe) -> nn.Module:
    model = load_weights(new_model(recipe), shop.published(recipe)).eval()
    in_memory(model, torch.channels_last)  # a fifth less time for a teacher
    return model


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
    precision: Precision,
    progress: bool,
    watch: Stopwatch,
) -> None:
    """Trains one stage, taken up from its checkpoint if there is one.

    Channels last, and bfloat16 products where the recipe allows them, halve the time of a CPU;
    what is exported is evaluated in float32 whatever it was trained in.
    """
    in_memory(model, torch.channels_last)
    callbacks: list[L.Callback] = [
        watch,  # in front of the checkpoint that is to keep its time
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
