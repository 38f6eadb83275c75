"""Quantized gradients: the G of DoReFa-Net's W/A/G. Zhou et al., 2016 [1606.06160]."""

import torch
from torch import Tensor, nn

from lowbit.quant.registry import require_bits
from lowbit.quant.scale import FLOOR, channel_axes


def quantized_gradient(g: Tensor, bits: int, generator: torch.Generator | None = None) -> Tensor:
    r"""2 m [round(n t) / n - 1/2] with t = clip(g / (2 m) + 1/2 + U / n, 0, 1).

    m = max|g| of each sample, n = 2^k - 1 and U uniform on [-1/2, 1/2): eq. (12). The noise
    makes rounding right on average, without which low-bit gradients do not train.
    """
    n = 2**bits - 1
    most = g.abs().amax(channel_axes(g), keepdim=True).clamp_min(FLOOR)
    noise = torch.empty_like(g).uniform_(-0.5, 0.5, generator=generator)
    t = (g / (2 * most) + 0.5 + noise / n).clamp_(0, 1)
    return 2 * most * ((n * t).round_() / n - 0.5)


class PassThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bits: int, generator: torch.Generator | None) -> Tensor:
        ctx.bits, ctx.generator = bits, generator
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g: Tensor):
        return quantized_gradient(g, ctx.bits, ctx.generator), None, None


class QuantizeGradient(nn.Module):
    """x forwards; backwards the gradient in k bits, stochastically rounded.

    It stands behind a layer, whose own weight gradient then comes from k-bit values. It is no
    part of the exported model.
    """

    def __init__(self, bits: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        require_bits(bits, 1, 8, "QuantizeGradient")
        self.bits = bits
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return x
        return PassThrough.apply(x, self.bits, self.generator)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"
