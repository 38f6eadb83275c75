"""When each quantizer is on, and how sharp: a pure function of how far training has come.

Nothing is kept here. The schedule writes to buffers of the quantizers, which checkpoints, EMA and
resumed runs carry along; applying it twice changes nothing.
"""

from math import isinf

import lightning as L
from torch import nn

from lowbit.quant import Quantizer
from lowbit.train.layers import quantizers


class QuantizationSchedule(L.Callback):
    """Float warm-up, inputs before weights, falling bit-widths and sharpening gradients.

    All times are fractions of training. Inputs are quantized from `inputs_from` on and weights
    from `weights_from` (ReActNet binarizes inputs first, weights second). `input_bits` holds pairs
    (time, bits) for inputs that can change their width, such as [(0.0, 8), (0.3, 4), (0.6, 2)];
    give the model's own width last. Gradients that sharpen (IR-Net's EDE) are told the fraction.
    `layers` limits all this to modules whose name matches; several schedules may stand together.
    """

    def __init__(
        self,
        inputs_from: float = 0.0,
        weights_from: float = 0.0,
        input_bits: list[tuple[float, int]] | None = None,
        layers: str = "*",
    ) -> None:
        times = [inputs_from, weights_from, *(time for time, _ in input_bits or [])]
        if not all(0 <= time <= 1 for time in times):
            raise ValueError(f"times are fractions of training, from 0 to 1: {times}")
        self.inputs_from = inputs_from
        self.weights_from = weights_from
        self.input_bits = sorted(input_bits or [])
        self.layers = layers

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.apply(pl_module, done(trainer))

    def on_train_end(self, trainer, pl_module) -> None:
        self.apply(pl_module, done(trainer))

    def apply(self, model: nn.Module, time: float) -> None:
        """Brings the quantizers of `model` to where they are at `time`."""
        bits = [bits for start, bits in self.input_bits if start <= time][-1:]
        for _, _, quantizer in quantizers(model, "input_quantizer", self.layers):
            switch(quantizer, time >= self.inputs_from)
            for width in bits:
                narrow(quantizer, width)
            sharpen(quantizer, time)
        for _, _, quantizer in quantizers(model, "weight_quantizer", self.layers):
            switch(quantizer, time >= self.weights_from)
            sharpen(quantizer, time)


def done(trainer: L.Trainer) -> float:
    """The fraction of optimizer steps taken."""
    total = trainer.estimated_stepping_batches
    if isinf(total) or total < 1:
        raise ValueError("a schedule needs an end: give the Trainer max_epochs or max_steps")
    return min(trainer.global_step / total, 1.0)


def switch(quantizer: Quantizer, enabled: bool) -> None:
    if quantizer.enabled != enabled:
        quantizer.set_enabled(enabled)


def narrow(quantizer: Quantizer, bits: int) -> None:
    set_bits = getattr(quantizer, "set_bits", None)
    if set_bits is not None and quantizer.spec.bits != bits:
        set_bits(bits)


def sharpen(quantizer: Quantizer, time: float) -> None:
    progress = getattr(quantizer.gradient, "progress", None)
    if progress is not None:
        progress.fill_(time)
