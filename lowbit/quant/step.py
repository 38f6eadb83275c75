"""A learned step size, set from the first batch and trained with a scaled-down gradient."""

import math
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lowbit.quant.snap import require_finite

Start = Callable[[Tensor], Tensor]


class ScaleGradient(torch.autograd.Function):
    """x forwards, exactly; factor * g backwards."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g: Tensor):
        return g * ctx.factor, None


class Quotient(torch.autograd.Function):
    """u = x / s for a scalar s; backwards g / s, and -sum(g u) / s for the step.

    Torch's own division makes -g (x / s) / s of all of x first: three passes over memory more.
    """

    @staticmethod
    def forward(ctx, x: Tensor, s: Tensor) -> Tensor:
        u = x / s
        ctx.save_for_backward(u, s)
        return u

    @staticmethod
    def backward(ctx, g: Tensor):
        u, s = ctx.saved_tensors
        return g / s, -(g * u).sum() / s


def divided(x: Tensor, s: Tensor) -> Tensor:
    return x / s if torch.compiler.is_exporting() else Quotient.apply(x, s)


class Learned(nn.Module):
    """A scalar parameter that starts as `start(first tensor seen in training)`.

    Before that, evaluation takes start(x) of what it is given, and keeps nothing. `known` says
    that x is a parameter, whose start can be exported.

    Its gradient is multiplied by 1 / sqrt(N Q), with N values quantized and Q the highest code:
    Esser et al., "Learned Step Size Quantization", 2020 [1902.08153], section 2.2.
    """

    started_now: Tensor

    def __init__(self, start: Start, top: int, known: bool = False) -> None:
        super().__init__()
        self.start = start
        self.top = top
        self.known = known
        self.value = nn.Parameter(torch.ones(()))
        self.started = False
        self.register_buffer("started_now", torch.tensor(False))

    def forward(self, x: Tensor, count: int) -> Tensor:
        if not self.started:
            if not self.training:
                return self.provisional(x)
            require_finite(x)
            self.set(everywhere(self.start(x.detach())))
        if torch.compiler.is_exporting():
            return self.value
        return ScaleGradient.apply(self.value, 1 / math.sqrt(count * self.top))

    def provisional(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting() and not self.known:
            raise ValueError(
                "a learned step of an input has seen no data: run the model on one batch in "
                "training mode, or load a checkpoint, before exporting it"
            )
        return self.start(x.detach())

    def set(self, value: Tensor) -> None:
        with torch.no_grad():
            self.value.copy_(value)
        self.started_now.fill_(True)
        self.started = True

    def restored(self) -> None:
        self.started = bool(self.started_now)


def everywhere(value: Tensor) -> Tensor:
    """The mean over processes, whose first batches differ and whose parameters must not."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value
