"""LeNet-5: the original, and the wider one that ternary weights were shown on.

LeCun et al., "Gradient-based learning applied to document recognition", 1998, with ReLU and maxima
in place of its squashing and averages, and every map of C3 connected. Li et al., "Ternary Weight
Networks", 2016 [1605.04711], section 3.1: 32-C5 + MP2 + 64-C5 + MP2 + 512 FC.
"""

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import FLOAT, Bits, activation, conv, linear
from lowbit.zoo.blocks import Shape, features, norm

TERNARY = Bits("twn", None, first="body", last="body")


@architecture(paper="10.1109/5.726791", input=(1, 32, 32), classes=10, bits="float")
def lenet5(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """LeNet-5: 6C5-MP2-16C5-MP2-120-84."""
    body = bits.at("body")
    act = activation(body)
    layers: list[nn.Module] = [
        *(conv(bits.at("first"), shape[0], 6, 5, padding=0, bias=True), nn.MaxPool2d(2), act),
        *(conv(body, 6, 16, 5, padding=0, bias=True), nn.MaxPool2d(2), act),
        nn.Flatten(),
    ]
    size = features(nn.Sequential(*layers), shape)
    layers += [linear(body, size, 120, bias=True), act, linear(body, 120, 84, bias=True), act]
    return nn.Sequential(*layers, linear(bits.at("last"), 84, classes, bias=True))


@architecture(paper="1605.04711", input=(1, 28, 28), classes=10, bits="tern")
def lenet5_twn(shape: Shape, classes: int, bits: Bits = TERNARY) -> nn.Module:
    """TWN's LeNet-5: 32C5-MP2-64C5-MP2-512FC, with norms."""
    body = bits.at("body")
    act = activation(body)
    layers: list[nn.Module] = [
        *(conv(bits.at("first"), shape[0], 32, 5, padding=0), nn.MaxPool2d(2), norm(32), act),
        *(conv(body, 32, 64, 5, padding=0), nn.MaxPool2d(2), norm(64), act),
        nn.Flatten(),
    ]
    size = features(nn.Sequential(*layers), shape)
    layers += [linear(body, size, 512), lnn.BatchNorm1d(512), act]
    return nn.Sequential(*layers, linear(bits.at("last"), 512, classes, bias=True))
