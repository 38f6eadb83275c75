"""ReActNet: signs with a learned threshold and PReLUs with learned shifts, a channel each.

Liu et al., "ReActNet", 2020 [2003.03488]. ReActNet-A is MobileNet's plan with a full 3x3 and a 1x1
binary convolution in each block; where channels double, the 1x1 gives two halves of them, each
added to the same input.
"""

from functools import partial

import torch
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, linear
from lowbit.zoo.blocks import Residual, Shape, norm, pooled_shortcut, stages, stem

REACT = Bits("magnitude_aware_sign", "rsign")


def block(bits: Bits, ins: int, outs: int, stride: int) -> nn.Module:
    body = nn.Sequential(conv(bits.at("body"), ins, outs, 3, stride), norm(outs))
    shortcut = pooled_shortcut(bits, ins, outs, stride)
    return nn.Sequential(Residual(body, shortcut), lnn.RPReLU(outs))


@architecture(paper="2003.03488", input=(3, 224, 224), classes=1000, bits="w1a1")
def reactnet18(shape: Shape, classes: int, bits: Bits = REACT) -> nn.Module:
    """ReActNet on ResNet-18's plan."""
    return nn.Sequential(
        stem(bits, shape[0], 64),
        stages(partial(block, bits), (64, 128, 256, 512), (4, 4, 4, 4)),
        lnn.GlobalAvgPool2d(),
        linear(bits.at("last"), 512, classes, bias=True),
    )


class Twice(nn.Module):
    """The channels, as often as they are needed."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x] * self.times, 1) if self.times > 1 else x


def pair(bits: Bits, ins: int, outs: int, stride: int) -> nn.Module:
    body = bits.at("body")
    pool = nn.AvgPool2d(2, ceil_mode=True) if stride > 1 else None
    return nn.Sequential(
        Residual(nn.Sequential(conv(body, ins, ins, 3, stride), norm(ins)), pool),
        lnn.RPReLU(ins),
        Residual(nn.Sequential(conv(body, ins, outs, 1), norm(outs)), Twice(outs // ins)),
        lnn.RPReLU(outs),
    )


@architecture(paper="2003.03488", input=(3, 224, 224), classes=1000, bits="w1a1")
def reactnet_a(shape: Shape, classes: int, bits: Bits = REACT) -> nn.Module:
    """ReActNet-A, on MobileNet's plan."""
    layers, ins = [conv(bits.at("first"), shape[0], 32, 3, 2), norm(32)], 32
    for outs in (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024):
        layers.append(pair(bits, ins, outs, 2 if outs != ins and outs > 64 else 1))
        ins = outs
    last = linear(bits.at("last"), 1024, classes, bias=True)
    return nn.Sequential(*layers, lnn.GlobalAvgPool2d(), last)
