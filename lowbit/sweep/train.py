"""Trains as the recipe says, with a checkpoint an epoch, so that a killed trial goes on."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from lowbit.data import FashionMNIST
from lowbit.factory import Factory
from lowbit.sweep.ddp import strategy
from lowbit.sweep.executors.attempt import Site, Tell
from lowbit.sweep.models import build, float_twin, lowered
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.schemes import Scheme
from lowbit.sweep.start import packed, unpacked
from lowbit.sweep.turns import Turns
from lowbit.train import (
    Classifier,
    ClipLatentWeights,
    FashionMNISTData,
    QuantizationSchedule,
    Stopwatch,
    recalibrate_batchnorm,
)

Batch = tuple[Tensor, Tensor]
EVERY = 20  # batches between two reports of progress


def trained(
    factory: Factory,
    scheme: Scheme,
    recipe: Recipe,
    seed: int,
    data: FashionMNIST,
    site: Site,
    tell: Tell,
    turns: Turns,
) -> tuple[nn.Module, float]:
    """The model in evaluation mode, and the seconds that its training took, its float network's
    included."""
    torch.manual_seed(seed)
    watch, before = Stopwatch(), 0.0
    if recipe.float_epochs:
        twin, before = begun(factory, site)
        model = lowered(factory, twin, scheme)
    else:
        model = build(factory, scheme)
    if recipe.epochs:
        callbacks = [watch, Reports(tell, turns, recipe.epochs, watch), staged(recipe)]
        if recipe.clip:
            callbacks.append(ClipLatentWeights())
        with laid_out(model, factory):
            fit(model, recipe, images(recipe, seed, data, recipe.ranks), site, callbacks)
    else:
        start_steps(model, first_batches(recipe, seed, data, 1))
    if recipe.recalibrate:
        recalibrate_batchnorm(model, first_batches(recipe, seed, data, recipe.recalibrate))
    return model.eval(), before + watch.seconds


def float_network(
    factory: Factory,
    recipe: Recipe,
    seed: int,
    data: FashionMNIST,
    site: Site,
    tell: Tell,
    turns: Turns,
) -> bytes:
    """The file that trials of this recipe begin with."""
    torch.manual_seed(seed)
    model, watch = float_twin(factory), Stopwatch()
    how = replace(recipe, epochs=recipe.float_epochs)
    callbacks = [watch, Reports(tell, turns, how.epochs, watch)]
    with laid_out(model, factory):
        fit(model, how, images(recipe, seed, data, recipe.ranks), site, callbacks)
    return packed({k: v.numpy() for k, v in model.state_dict().items()}, watch.seconds)


@contextmanager
def laid_out(model: nn.Module, factory: Factory) -> Iterator[None]:
    """Trains with channels last, which convolutions want and otherwise copy to. Only the zoo's
    models: a user's may take a `view` of what is then not contiguous."""
    if factory.ours:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    yield
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def begun(factory: Factory, site: Site) -> tuple[nn.Module, float]:
    assert site.start is not None, "the driver hands a trial the float network that it begins with"
    arrays, seconds = unpacked(site.start)
    twin = float_twin(factory)
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return twin, seconds


def images(recipe: Recipe, seed: int, data: FashionMNIST, ranks: int = 1) -> FashionMNISTData:
    """With several ranks each has its cut of the same batches."""
    count, size = recipe.train_images or len(data.train_images), recipe.batch_size // ranks
    source = FashionMNISTData(batch_size=size, seed=seed, shift=recipe.shift, flip=recipe.flip)
    source.data = FashionMNIST(
        data.train_images[:count],
        data.train_labels[:count],
        data.test_images,
        data.test_labels,
        data.source,
    )
    return source


def staged(recipe: Recipe) -> QuantizationSchedule:
    return QuantizationSchedule(
        recipe.inputs_from,
        recipe.weights_from,
        list(recipe.input_bits),
        list(recipe.weight_bits),
    )


class Reports(L.Callback):
    """Tells how far training is, and steps aside between batches for whoever measures."""

    def __init__(self, tell: Tell, turns: Turns, epochs: int, watch: Stopwatch) -> None:
        self.tell, self.turns, self.epochs, self.watch = tell, turns, epochs, watch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx % EVERY == 0:
            share = trainer.global_step / trainer.num_training_batches / self.epochs
            self.tell(0.9 * share, f"epoch {trainer.current_epoch + 1}")
        self.turns.step_aside()
        self.watch.go_on()


def fit(
    model: nn.Module,
    recipe: Recipe,
    source: FashionMNISTData,
    site: Site,
    callbacks: list[L.Callback],
) -> None:
    """Trains `model` in place, from its checkpoint if there is one."""
    quiet()
    done = site.scratch / "training.ckpt"
    kept = [ModelCheckpoint(done.parent, done.stem, enable_version_counter=False)]
    with suppress(OSError):  # a machine of a cluster may have no such folder
        done.parent.mkdir(parents=True, exist_ok=True)
    trainer = L.Trainer(
        accelerator=site.device,
        strategy=strategy(site.team),
        devices=1,
        num_nodes=site.team.size,
        max_epochs=recipe.epochs,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=done.parent.is_dir(),
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, *(kept if done.parent.is_dir() else [])],
    )
    task = Classifier(
        model,
        lr=recipe.lr,
        optimizer=recipe.optimizer,  # type: ignore[arg-type]
        schedule=recipe.schedule,  # type: ignore[arg-type]
        weight_decay=recipe.weight_decay,
    )
    try:
        trainer.fit(task, source, ckpt_path=done if done.exists() else None, weights_only=True)
    finally:
        if dist.is_initialized():  # the next trial's team is another one
            dist.destroy_process_group()
    if trainer.interrupted:
        raise KeyboardInterrupt


@torch.no_grad()
def start_steps(model: nn.Module, batches: Iterable[Batch]) -> None:
    """Learned steps take their start from a first batch in training mode."""
    model.train()
    for x, _ in batches:
        model(x)


def first_batches(recipe: Recipe, seed: int, data: FashionMNIST, count: int) -> Iterator[Batch]:
    """Of the first epoch, wherever training has got to."""
    loader = images(recipe, seed, data).train_dataloader()
    return (batch for batch, _ in zip(loader, range(count), strict=False))


def quiet() -> None:
    """Lightning's advice on loaders and devices means nothing to someone who looks on, nor DDP's on
    the strides of the few weights with one input channel."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
