"""Residual networks, float or with any quantizers: ResNet-20 and -32 for CIFAR, 18, 34 and 50.

He et al., "Deep Residual Learning for Image Recognition", 2016 [1512.03385]. The CIFAR form has
three stages of 16, 32 and 64 and shortcuts without parameters; the ImageNet form follows the
common practice of striding in the 3 x 3 convolution of a bottleneck.
"""

from functools import partial

from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import FLOAT, Bits, activation, conv, linear
from lowbit.zoo.blocks import PaddedShortcut, Residual, Shape, norm, stages, stem


class Activated(nn.Module):
    """act(residual(x)): where signs follow, act is nothing."""

    def __init__(self, residual: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.residual = residual
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.residual(x))


def basic(bits: Bits, parametric: bool, ins: int, outs: int, stride: int) -> nn.Module:
    """Two 3x3 convolutions; the shortcut is a 1x1 convolution, or ResNet's option A."""
    body, act = bits.at("body"), activation(bits.at("body"))
    layers = [
        *(conv(body, ins, outs, 3, stride), norm(outs), act),
        *(conv(body, outs, outs, 3), norm(outs)),
    ]
    beside = shortcut(bits, parametric, ins, outs, stride)
    return Activated(Residual(nn.Sequential(*layers), beside), act)


def shortcut(bits: Bits, parametric: bool, ins: int, outs: int, stride: int) -> nn.Module | None:
    if stride == 1 and ins == outs:
        return None
    if not parametric:
        return PaddedShortcut(stride, outs // ins)
    return nn.Sequential(conv(bits.at("body"), ins, outs, 1, stride), norm(outs))


def bottleneck(bits: Bits, ins: int, outs: int, stride: int) -> nn.Module:
    body, act, inner = bits.at("body"), activation(bits.at("body")), outs // 4
    layers = [
        *(conv(body, ins, inner, 1), norm(inner), act),
        *(conv(body, inner, inner, 3, stride), norm(inner), act),
        *(conv(body, inner, outs, 1), norm(outs)),
    ]
    beside = shortcut(bits, True, ins, outs, stride)
    return Activated(Residual(nn.Sequential(*layers), beside), act)


def head(bits: Bits, width: int, classes: int) -> list[nn.Module]:
    return [lnn.GlobalAvgPool2d(), linear(bits.at("last"), width, classes, bias=True)]


def cifar(shape: Shape, classes: int, bits: Bits, depth: int) -> nn.Module:
    first = conv(bits.at("first"), shape[0], 16, 3)
    body = stages(partial(basic, bits, False), (16, 32, 64), (depth,) * 3)
    act = activation(bits.at("body"))
    return nn.Sequential(first, norm(16), act, body, *head(bits, 64, classes))


@architecture(paper="1512.03385", input=(3, 32, 32), classes=10, bits="float")
def resnet20(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """ResNet-20 for CIFAR; TTQ's, DoReFa's and PACT's proving ground."""
    return cifar(shape, classes, bits, 3)


@architecture(paper="1512.03385", input=(3, 32, 32), classes=10, bits="float")
def resnet32(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """ResNet-32 for CIFAR."""
    return cifar(shape, classes, bits, 5)


@architecture(paper="1512.03385", input=(3, 224, 224), classes=1000, bits="float")
def resnet18(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """ResNet-18."""
    return imagenet(shape, classes, bits, (2, 2, 2, 2))


@architecture(paper="1512.03385", input=(3, 224, 224), classes=1000, bits="float")
def resnet34(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """ResNet-34."""
    return imagenet(shape, classes, bits, (3, 4, 6, 3))


def imagenet(shape: Shape, classes: int, bits: Bits, depths: tuple[int, ...]) -> nn.Module:
    begin = stem(bits, shape[0], 64, activation(bits.at("body")))
    body = stages(partial(basic, bits, True), (64, 128, 256, 512), depths)
    return nn.Sequential(begin, body, *head(bits, 512, classes))


@architecture(paper="1512.03385", input=(3, 224, 224), classes=1000, bits="float")
def resnet50(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """ResNet-50, which strides in its 3x3 convolutions."""
    begin = stem(bits, shape[0], 64, activation(bits.at("body")))
    block, widths = partial(bottleneck, bits), (256, 512, 1024, 2048)
    body = stages(block, widths, (3, 4, 6, 3), ins=64)
    return nn.Sequential(begin, body, *head(bits, 2048, classes))
