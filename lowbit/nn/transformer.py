"""Layers of transformers and gates whose evaluation is the same to the bit in every runtime.

Each computes what its torch counterpart does. Training is torch's; evaluation has the order of
operations that the docstring states, with the operators of lowbit/nn/stated.py.
"""

import torch
from torch import Tensor, nn

from lowbit.nn import stated as _stated  # noqa: F401  registers lowbit's operators
from lowbit.nn.product import at_least_float32


class Sigmoid(nn.Module):
    """1 / (1 + e^-x)"""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid() if self.training else torch.ops.lowbit.sigmoid(at_least_float32(x))


class SiLU(Sigmoid):
    """x sigmoid(x)"""

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class Tanh(Sigmoid):
    """2 sigmoid(2 x) - 1"""

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh() if self.training else super().forward(x * 2) * 2 - 1


class SquaredReLU(nn.Module):
    """max(x, 0)^2: So et al., "Primer", 2021 [2109.08668]."""

    def forward(self, x: Tensor) -> Tensor:
        positive = x.relu()
        return positive * positive


class Softmax(nn.Module):
    """e^(x - max x) over its sum, along the last axis. What is to be left out is -100 or less
    below the rest, and finite: adding a mask of 0 and -1e4 does it."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x.softmax(-1)
        x = at_least_float32(x)
        e = torch.ops.lowbit.exp(x - x.amax(-1, keepdim=True))
        return e / torch.ops.lowbit.sum(e)


class RMSNorm(nn.Module):
    """x / sqrt(sum x^2 / D + eps) g along the last axis, of D: Zhang and Sennrich, 2019
    [1910.07467]."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        x = at_least_float32(x)
        square = x * x
        if self.training:
            return x / torch.sqrt(square.mean(-1, keepdim=True) + self.eps) * self.weight
        mean = torch.ops.lowbit.sum(square) / x.shape[-1]
        return x / torch.ops.lowbit.sqrt(mean + self.eps) * self.weight

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


class MatMul(nn.Module):
    """a (*B, M, K) by b (*B, K, N), each sum in order of k."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self.training:
            return a @ b
        return torch.ops.lowbit.matmul(at_least_float32(a), at_least_float32(b))
