"""Small duties around a fit: clip latent weights, refuse half precision, export at the end."""

import copy
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from lowbit.optim import clip_latent_weights
from lowbit.qat import QuantizedTraining

HALF = ("16-true", "bf16-true")


class ClipLatentWeights(L.Callback):
    """Clips the latent weights of binary layers to [-limit, limit] after each step, with `centre`
    after taking each filter's mean off."""

    def __init__(self, limit: float = 1.0, centre: bool = False) -> None:
        self.limit = limit
        self.centre = centre

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        clip_latent_weights(pl_module, self.limit, self.centre)


class PrecisionCheck(L.Callback):
    """Refuses the precisions that would store shadow weights in 16 bits."""

    def setup(self, trainer, pl_module, stage: str) -> None:
        require_full_precision(trainer)


def require_full_precision(trainer: L.Trainer) -> None:
    if trainer.precision in HALF:
        raise ValueError(
            f"precision={trainer.precision!r} keeps weights in 16 bits, where small steps vanish "
            "and binary weights stop flipping: use '32-true', or 'bf16-mixed' for speed"
        )


class ExportAtEnd(L.Callback):
    """Writes the integer graph to `path` when fitting has ended; the module is left as it is.

    What is exported is the attribute `model` of the LightningModule ("" for the module itself).
    The example comes from its `example_input_array`, else from the first training batch. The file
    appears whole or not at all.
    """

    def __init__(self, path: str, model: str = "model") -> None:
        self.path = path
        self.model = model

    def on_fit_end(self, trainer, pl_module) -> None:
        # Not on_train_end, where WeightAveraging is still to copy its weights back.
        if trainer.is_global_zero:
            module = getattr(pl_module, self.model) if self.model else pl_module
            export_copy(module, example_input(trainer, pl_module), Path(self.path))
        trainer.strategy.barrier()


def export_copy(model: nn.Module, example: Tensor, path: Path) -> None:
    """Exports a copy of `model` in evaluation mode to `path`."""
    import lowbit

    frozen = copy.deepcopy(model).cpu().eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(frozen, QuantizedTraining):
        graph = frozen.graph()
    else:
        graph = lowbit.export(frozen, example.cpu())
    graph.save(path)


def example_input(trainer: L.Trainer, pl_module: L.LightningModule) -> Tensor:
    """Two samples of what the model is fed."""
    example = pl_module.example_input_array
    if example is None:
        loader = trainer.train_dataloader
        assert loader is not None  # a fit has ended
        batch = next(iter(loader))
        example = batch[0] if isinstance(batch, (tuple, list)) else batch
    if not isinstance(example, torch.Tensor):
        raise TypeError(f"set example_input_array: {type(example).__name__} is not a tensor")
    return example[:2]
