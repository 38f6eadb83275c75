"""Batch norm whose evaluation is written out: one multiply and one add, rounded separately.

torch's own evaluation fuses the two where the CPU can (AVX2 and up) and does not elsewhere, so
its last bit depends on the machine. Written out, it is the same everywhere, and every runtime can
repeat it. Training is torch's.
"""

from typing import Any

import torch
from torch import Tensor, nn


class _ExplicitEvaluation:
    """y = x a + b with a = gamma / sqrt(var + eps) and b = beta - mean a."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if self.training or self.running_mean is None:
            return super().forward(x)  # type: ignore[misc]
        self._check_input_dim(x)
        a = 1 / torch.sqrt(self.running_var + self.eps)
        if self.weight is not None:
            a = self.weight * a
        b = -self.running_mean * a
        if self.bias is not None:
            b = self.bias + b
        channels = (-1,) + (1,) * (x.ndim - 2)
        return x * a.view(channels) + b.view(channels)


class BatchNorm1d(_ExplicitEvaluation, nn.BatchNorm1d):
    """torch.nn.BatchNorm1d, the same to the bit on every machine in evaluation."""


class BatchNorm2d(_ExplicitEvaluation, nn.BatchNorm2d):
    """torch.nn.BatchNorm2d, the same to the bit on every machine in evaluation."""
