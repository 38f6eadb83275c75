"""BinaryNet's convolutional network for CIFAR-10, VGG-Small of later papers, and a quarter of it.

Hubara et al., "Binarized Neural Networks", 2016 [1602.02830]: binary throughout, the first layer
with bytes as its input; pooling stands in front of the norm. VGG-Small keeps the six convolutions
and one dense layer, real as in Zhang et al., "LQ-Nets", 2018 [1807.10029].
"""

from collections.abc import Sequence

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, activation, conv, linear
from lowbit.zoo.blocks import Shape, features, glorot, norm

BINARYNET = Bits("ste_sign", "ste_sign", first="pixels", last="body")


def convolutions(shape: Shape, bits: Bits, widths: Sequence[int]) -> list[nn.Module]:
    """Two convolutions of each width, the second one pooled."""
    layers: list[nn.Module] = []
    ins, pair = shape[0], bits.at("first")
    for i, width in enumerate([w for w in widths for _ in range(2)]):
        pool = [nn.MaxPool2d(2)] if i % 2 else []
        layers += [conv(pair, ins, width, 3), *pool, norm(width)]
        ins, pair = width, bits.at("body")
        layers.append(activation(pair))
    return [*layers, nn.Flatten()]


@architecture(paper="1602.02830", input=(3, 32, 32), classes=10, bits="w1a1")
def binarynet(shape: Shape, classes: int, bits: Bits = BINARYNET) -> nn.Module:
    """BinaryNet for CIFAR-10: 2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-2x1024FC."""
    layers = convolutions(shape, bits, (128, 256, 512))
    body, size = bits.at("body"), features(nn.Sequential(*layers), shape)
    for outs in (1024, 1024):
        layers += [linear(body, size, outs), lnn.BatchNorm1d(outs), activation(body)]
        size = outs
    layers += [linear(bits.at("last"), size, classes), lnn.BatchNorm1d(classes)]
    return glorot(nn.Sequential(*layers))


VGG_SMALL = Bits("magnitude_aware_sign", "approx_sign")


@architecture(paper="1807.10029", input=(3, 32, 32), classes=10, bits="w1a1")
def vgg_small(shape: Shape, classes: int, bits: Bits = VGG_SMALL) -> nn.Module:
    """VGG-Small: BinaryNet's convolutions and one dense layer; the first and the last are real."""
    return vgg(shape, classes, bits, (128, 256, 512))


@architecture(paper="1807.10029", input=(1, 28, 28), classes=10, bits="w1a1")
def vgg_mini(shape: Shape, classes: int, bits: Bits = VGG_SMALL) -> nn.Module:
    """VGG-Small at a quarter of its widths, for grey images of 28 x 28: ours, no paper's."""
    return vgg(shape, classes, bits, (32, 64, 128))


def vgg(shape: Shape, classes: int, bits: Bits, widths: Sequence[int]) -> nn.Module:
    layers = convolutions(shape, bits, widths)
    last = bits.at("last")
    size = features(nn.Sequential(*layers), shape)
    *layers, _, flatten = layers
    dense = linear(last, size, classes, bias=True)
    return glorot(nn.Sequential(*layers, activation(last), flatten, dense))
