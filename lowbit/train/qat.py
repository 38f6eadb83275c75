"""When quantization-aware training quantizes, and when its statistics and ranges are fixed."""

import lightning as L
from torch import nn

from lowbit.qat import QuantizedTraining
from lowbit.train.schedule import done


class QuantizationAwareTraining(L.Callback):
    """Flips the buffers of every `lowbit.qat.QuantizedTraining` in the module, and nothing else.

    Times are fractions of training: floats are trained until `quantize_from` (Jacob et al. wait
    until weights have settled), ranges follow the data until `ranges_until`, and batch norms keep
    their statistics from `statistics_until` on (Krishnamoorthi, 2018, section 3.2.2). What is on is
    a function of how far training has come, so a resumed run goes on as it was.
    """

    def __init__(
        self,
        quantize_from: float = 0.0,
        ranges_until: float = 0.9,
        statistics_until: float = 0.7,
    ) -> None:
        times = quantize_from, ranges_until, statistics_until
        if not all(0 <= time <= 1 for time in times):
            raise ValueError(f"times are fractions of training, from 0 to 1: {times}")
        self.quantize_from, self.ranges_until, self.statistics_until = times

    def setup(self, trainer, pl_module, stage: str) -> None:
        if not any(isinstance(m, QuantizedTraining) for m in pl_module.modules()):
            raise ValueError(
                "nothing to quantize: the module needs a lowbit.qat.QuantizedTraining in it"
            )

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.apply(pl_module, done(trainer))

    def on_train_end(self, trainer, pl_module) -> None:
        self.apply(pl_module, done(trainer))

    def apply(self, model: nn.Module, time: float) -> None:
        """Brings `model` to where it is at `time`."""
        for module in model.modules():
            if isinstance(module, QuantizedTraining):
                module.quantizing.fill_(time >= self.quantize_from)
                module.observing.fill_(time < self.ranges_until)
                module.frozen.fill_(time >= self.statistics_until)
