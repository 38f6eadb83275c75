"""When each quantizer is on, and how sharp: a pure function of how far training has come.

Nothing is kept here. The schedule writes to buffers of the quantizers, which checkpoints, EMA and
resumed runs carry along; applying it twice changes nothing.
"""

from dataclasses import dataclass
from math import isinf

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn

from lowbit.quant import Quantizer, set_progress
from lowbit.quant.dorefa import Annealed
from lowbit.train.layers import quantizers


@dataclass(frozen=True)
class Plan:
    """When quantizers in one role are switched on, and the (time, bits) at which they narrow."""

    start: float
    bits: tuple[tuple[float, int], ...]

    def __post_init__(self) -> None:
        times = [self.start, *(time for time, _ in self.bits)]
        if not all(0 <= time <= 1 for time in times):
            raise ValueError(f"times are fractions of training, from 0 to 1: {times}")

    def apply(self, quantizer: Quantizer, time: float) -> None:
        if quantizer.enabled != (time >= self.start):
            quantizer.set_enabled(time >= self.start)
        due = [bits for start, bits in self.bits if start <= time]
        if due and isinstance(quantizer, Annealed) and quantizer.spec.bits != due[-1]:
            quantizer.set_bits(due[-1])
        set_progress(quantizer, time)


class QuantizationSchedule(L.Callback):
    """Float warm-up, inputs before weights, falling bit-widths and sharpening gradients.

    All times are fractions of training. Inputs are quantized from `inputs_from` on and weights
    from `weights_from` (ReActNet binarizes inputs first, weights second). `input_bits` and
    `weight_bits` hold pairs (time, bits) for quantizers that can change their width, such as
    [(0.0, 8), (0.3, 4), (0.6, 2)]; give the model's own width last. Gradients that sharpen
    (IR-Net's EDE) are told the fraction. `layers` limits all this to modules whose name matches;
    several schedules may stand together.
    """

    def __init__(
        self,
        inputs_from: float = 0.0,
        weights_from: float = 0.0,
        input_bits: list[tuple[float, int]] | None = None,
        weight_bits: list[tuple[float, int]] | None = None,
        layers: str = "*",
    ) -> None:
        self.plans = {
            "input_quantizer": Plan(inputs_from, tuple(sorted(input_bits or ()))),
            "weight_quantizer": Plan(weights_from, tuple(sorted(weight_bits or ()))),
        }
        self.layers = layers

    def setup(self, trainer, pl_module, stage: str) -> None:
        if any(plan.bits for plan in self.plans.values()):
            refuse_averaged_bits(trainer)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.apply(pl_module, done(trainer))

    def on_train_end(self, trainer, pl_module) -> None:
        self.apply(pl_module, done(trainer))

    def apply(self, model: nn.Module, time: float) -> None:
        """Brings the quantizers of `model` to where they are at `time`."""
        for role, plan in self.plans.items():
            for _, _, quantizer in quantizers(model, role, self.layers):
                plan.apply(quantizer, time)


def refuse_averaged_bits(trainer) -> None:
    """The mean of 8 and 2 bits is 5, and a checkpoint of averages would hold that."""
    for callback in trainer.callbacks:
        if isinstance(callback, WeightAveraging) and callback._use_buffers:
            raise ValueError(
                f"{type(callback).__name__} would average the bit-widths that the schedule "
                "changes: give it use_buffers=False, and call recalibrate_batchnorm after the fit"
            )


def done(trainer: L.Trainer) -> float:
    """The fraction of optimizer steps taken."""
    total = trainer.estimated_stepping_batches
    if isinf(total) or total < 1:
        raise ValueError("a schedule needs an end: give the Trainer max_epochs or max_steps")
    return min(trainer.global_step / total, 1.0)
