"""The learned shifts and activation of ReActNet: Liu et al., 2020 [2003.03488]."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LearnedShift(nn.Module):
    """x + b with one learned b a channel (axis 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.view(-1, *(1,) * (x.ndim - 2))


class RPReLU(nn.Module):
    """PReLU_beta(x - gamma) + zeta, each learned a channel: equation (6)."""

    def __init__(self, channels: int, slope: float = 0.25) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.full((channels,), slope))
        self.zeta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        channels = (-1,) + (1,) * (x.ndim - 2)
        return F.prelu(x - self.gamma.view(channels), self.beta) + self.zeta.view(channels)
