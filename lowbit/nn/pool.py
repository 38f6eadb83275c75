"""Global average pooling in a stated order, so that every runtime gives the same bits."""

import torch
from torch import Tensor, nn

from lowbit.nn.product import Choice, scaled, terms
from lowbit.quant.registry import INPUTS, build


@torch.library.custom_op("lowbit::mean", mutates_args=())
def mean_op(x: Tensor) -> Tensor:
    """(N, C, *sides) to (N, C): P values summed by halving, then divided once by P.

    While more than one is left, value i takes value i + ceil(P / 2) onto itself.
    """
    count = x[0, 0].numel()
    rows = x.flatten(2)
    while rows.shape[2] > 1:
        half = (rows.shape[2] + 1) // 2
        spare = rows.shape[2] - half
        paired = rows[:, :, :spare] + rows[:, :, half:]
        rows = torch.cat([paired, rows[:, :, spare:half]], 2)
    return rows[:, :, 0] / count


@mean_op.register_fake
def _(x: Tensor) -> Tensor:
    return x.new_empty(x.shape[:2])


class GlobalAvgPool2d(nn.Module):
    """The mean over each channel's map: (N, C, H, W) to (N, C).

    With `input=`, codes are summed exactly and scaled afterwards. Without, evaluation adds
    floats in the halving order of `lowbit::mean`; training uses torch's mean.
    """

    def __init__(self, channels: int = 0, *, input: Choice = None) -> None:
        super().__init__()
        self.input_quantizer = build(input, INPUTS, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = (lambda v: v.mean((2, 3))) if self.training else torch.ops.lowbit.mean
        values = [scaled(mean(codes), s) for codes, s in terms(self.input_quantizer, x)]
        return sum(values[1:], values[0])
