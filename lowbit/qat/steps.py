r"""Learned steps of a layer's folded weights, one a channel or one in all.

    Q(w) = s clip(round(w / s), -n, n),                                                       (1)

with ranges.py's gradients, and s's own times 1 / sqrt(N n) for N weights of one step: Esser et
al., "Learned Step Size Quantization", 2020, section 2.2. s starts where the squared error is
least, at the largest weight's share that serves a row best.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from lowbit.int8.coding import Coded
from lowbit.int8.parameters import weight_codes, weight_spec
from lowbit.qat.ranges import SMALLEST, fake
from lowbit.quant.step import ScaleGradient

SHARES = torch.linspace(1.0, 0.2, 41)  # of the largest weight, tried as the end of the range


class Steps(nn.Module):
    """`w` has its output channels in front; a step never reaches 0, where it could not return."""

    def __init__(self, w: Tensor, bits: int, per_channel: bool) -> None:
        super().__init__()
        self.bits, self.spec = bits, weight_spec(bits)
        rows = w.flatten(1) if per_channel else w.flatten()[None]
        self.scale = nn.Parameter(start(rows, self.spec.hi))

    def forward(self, w: Tensor) -> Tensor:
        count = w.numel() // self.scale.numel()
        s = ScaleGradient.apply(self.scale, 1 / math.sqrt(count * self.spec.hi))
        s = s.abs().clamp_min(SMALLEST)
        return fake(w, s.reshape(-1, *[1] * (w.ndim - 1)), 0, self.spec)

    def coded(self, w: np.ndarray) -> Coded:
        """What export gives the weights."""
        scales = self.scale.detach().abs().clamp_min(SMALLEST).cpu().numpy()
        return Coded(weight_codes(w, scales, self.bits), scales)


def start(rows: Tensor, n: int) -> Tensor:
    """(rows, weights) to (rows,)"""
    w = rows.detach()
    tried = (w.abs().amax(1) / n).clamp_min(SMALLEST) * SHARES.to(w)[:, None]
    s = tried[..., None]
    errors = ((w / s).round().clamp(-n, n) * s - w).square().sum(2)
    return tried.gather(0, errors.argmin(0)[None])[0]
