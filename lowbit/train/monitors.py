"""What a float loss does not show: how many weights still flip, how many inputs get no gradient."""

from functools import partial

import lightning as L
import torch
from torch import Tensor, nn

from lowbit.quant import Quantizer
from lowbit.train.layers import quantizers, untouched


class Sampler(L.Callback):
    """A callback that looks at one step in `every_n_steps`, the one that loggers record."""

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps is at least 1, not {every_n_steps}")
        self.every_n_steps = every_n_steps

    def due(self, trainer: L.Trainer) -> bool:
        return (trainer.global_step + 1) % self.every_n_steps == 0


class FlipRateMonitor(Sampler):
    """Logs the fraction of weight codes that one step changed, a layer and over all."""

    def __init__(self, every_n_steps: int = 50) -> None:
        super().__init__(every_n_steps)
        self._before: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if self.due(trainer):
            self._before = weight_codes(pl_module)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if not self._before:
            return
        before, self._before = self._before, {}
        after = weight_codes(pl_module)
        flips = {name: before[name] != after[name] for name in before}
        for name, flipped in flips.items():
            pl_module.log(f"flip_rate/{name}", flipped.float().mean())
        total = sum(flipped.numel() for flipped in flips.values())
        pl_module.log("flip_rate", sum(flipped.sum() for flipped in flips.values()) / total)


class SaturationMonitor(Sampler):
    """Logs the fraction of each layer's inputs to which its quantizer passes no gradient.

    Those lie outside the surrogate's window: clipped, and not learning.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        super().__init__(every_n_steps)
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if not self.due(trainer):
            return
        for name, layer, quantizer in quantizers(pl_module, "input_quantizer"):
            if quantizer.enabled:
                look = partial(self._look, pl_module, name, quantizer)
                self._hooks.append(layer.register_forward_pre_hook(look))

    def _look(
        self, to: L.LightningModule, name: str, quantizer: Quantizer, layer: nn.Module, args
    ) -> None:
        to.log(f"saturation/{name}", saturation(quantizer, args[0]))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        while self._hooks:
            self._hooks.pop().remove()


def weight_codes(model: nn.Module) -> dict[str, Tensor]:
    """The weight codes of every layer that quantizes its weights now."""
    found = {}
    for name, layer, quantizer in quantizers(model, "weight_quantizer"):
        if quantizer.enabled:
            with torch.no_grad(), untouched(quantizer):
                codes = [term.codes for term in quantizer.terms(layer.weight)]
            found[name] = torch.stack(codes).to(torch.int16)
    return found


def saturation(quantizer: Quantizer, x: Tensor) -> Tensor:
    """The fraction of x whose pretended gradient is zero."""
    with torch.enable_grad(), untouched(quantizer):
        probe = x.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(quantizer(probe).sum(), probe)
    return (gradient == 0).float().mean()
