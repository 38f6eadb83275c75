"""MeliusNet: a dense block adds 64 channels, and an improvement block makes those 64 better.

Bethge et al., "MeliusNet", 2020 [2001.05936], in the form of Larq Zoo. There signs pass gradients
up to 1.3; here up to 1.
"""

import torch
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, linear
from lowbit.zoo.blocks import Shape, glorot, norm
from lowbit.zoo.densenet import GROWTH, convolution, transition

SIGNS = Bits("ste_sign", "ste_sign")


class DenseAndImprovement(nn.Module):
    """x and, beside it, w1 + w2(x, w1): the improvement is added to the newest channels alone."""

    def __init__(self, bits: Bits, ins: int) -> None:
        super().__init__()
        self.dense = convolution(bits, ins)
        self.improvement = convolution(bits, ins + GROWTH)

    def forward(self, x: Tensor) -> Tensor:
        new = self.dense(x)
        return torch.cat([x, new + self.improvement(torch.cat([x, new], 1))], 1)


def begin(bits: Bits, channels: int) -> list[nn.Module]:
    """Three 3x3 convolutions, the last two in groups, where others have one of 7x7."""
    real = bits.at("real")
    return [
        *(conv(bits.at("first"), channels, 32, 3, 2), norm(32), nn.ReLU()),
        *(conv(real, 32, 32, 3, groups=4), norm(32), nn.ReLU()),
        *(conv(real, 32, 64, 3, groups=8), norm(64), nn.ReLU()),
        nn.MaxPool2d(2, ceil_mode=True),
    ]


@architecture(paper="2001.05936", input=(3, 224, 224), classes=1000, bits="w1a1")
def meliusnet22(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """MeliusNet-22."""
    layers, width = begin(bits, shape[0]), 64
    for depth, outs in ((4, 160), (5, 224), (4, 256), (4, 0)):
        for _ in range(depth):
            layers.append(DenseAndImprovement(bits, width))
            width += GROWTH
        layers += transition(bits, width, outs) if outs else []
        width = outs or width
    layers += [norm(width), nn.ReLU(), lnn.GlobalAvgPool2d()]
    return glorot(nn.Sequential(*layers, linear(bits.at("last"), width, classes, bias=True)))
