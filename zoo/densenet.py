"""BinaryDenseNet: each binary convolution adds 64 channels to all that was there before.

Bethge et al., "Back to Simplicity", 2019 [1906.08637], in the form of Larq Zoo. There signs pass
gradients up to 1.3; here up to 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, activation, conv, linear
from lowbit.zoo.blocks import Shape, glorot, norm, stem

SIGNS = Bits("ste_sign", "ste_sign")
GROWTH = 64


class Growing(nn.Module):
    """x and, beside it, what a binary convolution makes of it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


def grown(bits: Bits, ins: int) -> nn.Module:
    return Growing(convolution(bits, ins))


def convolution(bits: Bits, ins: int) -> nn.Module:
    body = bits.at("body")
    return nn.Sequential(norm(ins), activation(body), conv(body, ins, GROWTH, 3))


def transition(bits: Bits, ins: int, outs: int) -> list[nn.Module]:
    return [norm(ins), nn.MaxPool2d(2), nn.ReLU(), conv(bits.at("real"), ins, outs, 1)]


def network(
    shape: Shape, classes: int, bits: Bits, depths: Sequence[int], reductions: Sequence[float]
) -> nn.Module:
    width = 64
    layers: list[nn.Module] = [stem(bits, shape[0], width, nn.ReLU())]
    for depth, reduction in zip(depths, (*reductions, None), strict=True):
        layers += [grown(bits, width + i * GROWTH) for i in range(depth)]
        width += depth * GROWTH
        if reduction is not None:
            outs = round(width // reduction / 32) * 32
            layers += transition(bits, width, outs)
            width = outs
    layers += [norm(width), nn.ReLU(), lnn.GlobalAvgPool2d()]
    return glorot(nn.Sequential(*layers, linear(bits.at("last"), width, classes, bias=True)))


@architecture(paper="1906.08637", input=(3, 224, 224), classes=1000, bits="w1a1")
def binary_densenet28(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """BinaryDenseNet with 28 layers."""
    return network(shape, classes, bits, (6, 6, 6, 5), (2.7, 2.7, 2.2))


@architecture(paper="1906.08637", input=(3, 224, 224), classes=1000, bits="w1a1")
def binary_densenet37(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """BinaryDenseNet with 37 layers."""
    return network(shape, classes, bits, (6, 8, 12, 6), (3.3, 3.3, 4))


@architecture(paper="1906.08637", input=(3, 224, 224), classes=1000, bits="w1a1")
def binary_densenet45(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """BinaryDenseNet with 45 layers."""
    return network(shape, classes, bits, (6, 12, 14, 8), (2.7, 3.3, 4))
