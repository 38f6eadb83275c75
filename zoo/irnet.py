"""IR-Net's ResNet-20: balanced signs, gradients that sharpen, a shortcut around each convolution.

Qin et al., "Forward and Backward Information Retention for Accurate Binary Neural Networks", 2020
[1909.10788]; hard tanh in place of ReLU and a norm before the classifier, as in the authors' code.
"""

from functools import partial

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, linear
from lowbit.zoo.blocks import PaddedShortcut, Residual, Shape, norm, stages

IRNET = Bits("irnet", "irnet")


def block(bits: Bits, ins: int, outs: int, stride: int) -> nn.Module:
    body = bits.at("body")
    first = nn.Sequential(conv(body, ins, outs, 3, stride), norm(outs))
    second = nn.Sequential(conv(body, outs, outs, 3), norm(outs))
    shortcut = PaddedShortcut(stride, outs // ins)
    return nn.Sequential(Residual(first, shortcut), nn.Hardtanh(), Residual(second), nn.Hardtanh())


@architecture(paper="1909.10788", input=(3, 32, 32), classes=10, bits="w1a1")
def irnet_resnet20(shape: Shape, classes: int, bits: Bits = IRNET) -> nn.Module:
    """IR-Net's ResNet-20 for CIFAR."""
    return nn.Sequential(
        *(conv(bits.at("first"), shape[0], 16, 3), norm(16), nn.Hardtanh()),
        stages(partial(block, bits), (16, 32, 64), (3, 3, 3)),
        *(lnn.GlobalAvgPool2d(), lnn.BatchNorm1d(64)),
        linear(bits.at("last"), 64, classes, bias=True),
    )
