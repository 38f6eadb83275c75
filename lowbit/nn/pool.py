"""Global average pooling in a stated order, so that every runtime gives the same bits."""

import math

import torch
from torch import Tensor, nn

from lowbit.nn.product import Choice, at_least_float32, scaled, terms
from lowbit.quant.registry import INPUTS, build


@torch.library.custom_op("lowbit::mean", mutates_args=())
def mean_op(x: Tensor) -> Tensor:
    """(N, C, *sides) to (N, C): P values summed by halving, then divided once by P.

    While more than one is left, value i takes value i + ceil(P / 2) onto itself.
    """
    rows = x.flatten(2)
    count = rows.shape[2]
    while rows.shape[2] > 1:
        half = (rows.shape[2] + 1) // 2
        spare = rows.shape[2] - half
        paired = rows[:, :, :spare] + rows[:, :, half:]
        rows = torch.cat([paired, rows[:, :, spare:half]], 2)
    return rows[:, :, 0] / count


@mean_op.register_fake
def _(x: Tensor) -> Tensor:
    return x.new_empty(x.shape[:2])


def spread(ctx, g: Tensor) -> Tensor:
    """Each of P values gets g / P."""
    sides = ctx.shape[2:]
    return (g / math.prod(sides)).view(*g.shape, *(1,) * len(sides)).expand(ctx.shape)


def remember_shape(ctx, inputs, output) -> None:
    ctx.shape = inputs[0].shape


mean_op.register_autograd(spread, setup_context=remember_shape)


class GlobalAvgPool2d(nn.Module):
    """The mean over each channel's map: (N, C, H, W) to (N, C).

    With `input=`, codes are summed exactly and scaled afterwards. Without, evaluation adds
    floats in the halving order of `lowbit::mean`; training uses torch's mean.
    """

    def __init__(self, channels: int = 0, *, input: Choice = None) -> None:
        super().__init__()
        self.input_quantizer = build(input, INPUTS, channels)

    def forward(self, x: Tensor) -> Tensor:
        values = [
            scaled(self.mean(codes), without_sides(scale))
            for codes, scale in terms(self.input_quantizer, x)
        ]
        return sum(values[1:], values[0])

    def mean(self, codes: Tensor) -> Tensor:
        if self.training:
            return codes.mean((2, 3))
        return torch.ops.lowbit.mean(at_least_float32(codes))


def without_sides(scale: Tensor | None) -> Tensor | None:
    """A scale (N, 1, 1, 1), one a sample, in the shape of the means."""
    return scale if scale is None or scale.ndim == 0 else scale.flatten(1)
