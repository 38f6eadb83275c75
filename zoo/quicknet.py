"""QuickNet: binary 3x3 convolutions, each in a residual block of its own, padded with +1.

Bannink et al., "Larq Compute Engine", 2021 [2011.09398], in the form of Larq Zoo. There signs pass
gradients up to 1.25, here up to 1. The fixed blur in front of a transition, Zhang, "Making
Convolutional Networks Shift-Invariant Again", 2019 [1904.11486], is two averages over 2 x 2: their
convolution is the kernel (1 2 1) x (1 2 1) / 16, in an order of summation that is defined.
"""

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, is_binary, linear
from lowbit.zoo.blocks import Residual, Shape, glorot, norm

SIGNS = Bits("ste_sign", "ste_sign")


def begin(bits: Bits, channels: int, width: int) -> list[nn.Module]:
    real, quarter = bits.at("real"), width // 4
    return [
        *(conv(bits.at("first"), channels, quarter, 3, 2), norm(quarter, 1e-3), nn.ReLU()),
        conv(real, quarter, quarter, 3, 2, groups=quarter),
        lnn.BatchNorm2d(quarter, eps=1e-3, affine=False),
        *(conv(real, quarter, width, 1), norm(width, 1e-3)),
    ]


def residual(bits: Bits, width: int) -> nn.Module:
    body = bits.at("body")
    inner = conv(body, width, width, 3, pad_value=1 if is_binary(body) else 0)
    return Residual(nn.Sequential(inner, nn.ReLU(), norm(width)))


def transition(bits: Bits, ins: int, outs: int) -> list[nn.Module]:
    blur = [nn.AvgPool2d(2, 1, 1), nn.AvgPool2d(2, 2)]
    return [nn.ReLU(), nn.MaxPool2d(2, 1), *blur, conv(bits.at("real"), ins, outs, 1), norm(outs)]


def network(
    shape: Shape, classes: int, bits: Bits, widths: tuple[int, ...], depths: tuple[int, ...]
) -> nn.Module:
    layers, ins = begin(bits, shape[0], widths[0]), widths[0]
    for outs, depth in zip(widths, depths, strict=True):
        layers += transition(bits, ins, outs) if outs != ins else []
        layers += [residual(bits, outs) for _ in range(depth)]
        ins = outs
    layers += [nn.ReLU(), lnn.GlobalAvgPool2d()]
    return glorot(nn.Sequential(*layers, linear(bits.at("last"), ins, classes, bias=True)))


@architecture(paper="2011.09398", input=(3, 224, 224), classes=1000, bits="w1a1")
def quicknet_small(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """QuickNetSmall."""
    return network(shape, classes, bits, (32, 64, 256, 512), (4, 4, 4, 4))


@architecture(paper="2011.09398", input=(3, 224, 224), classes=1000, bits="w1a1")
def quicknet(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """QuickNet."""
    return network(shape, classes, bits, (64, 128, 256, 512), (4, 4, 4, 4))


@architecture(paper="2011.09398", input=(3, 224, 224), classes=1000, bits="w1a1")
def quicknet_large(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """QuickNetLarge."""
    return network(shape, classes, bits, (64, 128, 256, 512), (6, 8, 12, 6))
