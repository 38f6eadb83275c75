"""MobileNet v1 and v2: baselines of 8 bits, with depthwise convolutions.

Howard et al., "MobileNets", 2017 [1704.04861]; Sandler et al., "MobileNetV2", 2018 [1801.04381].
"""

from collections.abc import Iterable

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import FLOAT, Bits, conv, for_negatives, linear
from lowbit.zoo.blocks import Residual, Shape, norm

V1 = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
# Expansion, channels, how many, stride of the first, kernel: table 2 of MobileNetV2.
Row = tuple[int, int, int, int, int]
V2: tuple[Row, ...] = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3)),
    *((6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
)


@architecture(paper="1704.04861", input=(3, 224, 224), classes=1000, bits="float")
def mobilenet_v1(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """MobileNet v1, width 1; ReLU6, as in the authors' code and all published weights."""
    body, ins = bits.at("body"), 32
    layers = [conv(bits.at("first"), shape[0], 32, 3, 2), norm(32), nn.ReLU6()]
    for outs in V1:
        stride = 2 if outs > max(ins, 64) else 1
        layers += [conv(body, ins, ins, 3, stride, groups=ins), norm(ins), nn.ReLU6()]
        layers += [conv(body, ins, outs, 1), norm(outs), nn.ReLU6()]
        ins = outs
    last = linear(bits.at("last"), ins, classes, bias=True)
    return nn.Sequential(*layers, lnn.GlobalAvgPool2d(), last)


def inverted(
    bits: Bits, ins: int, outs: int, stride: int, expansion: int, kernel: int
) -> nn.Module:
    """Wide in the middle, narrow and linear at the ends: figure 3 of MobileNetV2."""
    body, wide = bits.at("body"), ins * expansion
    expand = [conv(for_negatives(body), ins, wide, 1), norm(wide), nn.ReLU6()]
    deep = [conv(body, wide, wide, kernel, stride, groups=wide)]
    layers = [*(expand if expansion > 1 else []), *deep, norm(wide), nn.ReLU6()]
    layers += [conv(body, wide, outs, 1), norm(outs)]
    found = nn.Sequential(*layers)
    return Residual(found) if stride == 1 and ins == outs else found


def network(shape: Shape, classes: int, bits: Bits, rows: Iterable[Row]) -> nn.Module:
    body, ins = bits.at("body"), 32
    layers = [conv(bits.at("first"), shape[0], 32, 3, 2), norm(32), nn.ReLU6()]
    for expansion, outs, depth, stride, kernel in rows:
        for i in range(depth):
            layers.append(inverted(bits, ins, outs, 1 if i else stride, expansion, kernel))
            ins = outs
    layers += [conv(for_negatives(body), ins, 1280, 1), norm(1280), nn.ReLU6()]
    last = linear(bits.at("last"), 1280, classes, bias=True)
    return nn.Sequential(*layers, lnn.GlobalAvgPool2d(), nn.Dropout(0.2), last)


@architecture(paper="1801.04381", input=(3, 224, 224), classes=1000, bits="float")
def mobilenet_v2(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """MobileNet v2, width 1."""
    return network(shape, classes, bits, V2)
