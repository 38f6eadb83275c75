"""Bi-Real Net: a shortcut around every binary convolution keeps real values flowing.

Liu et al., "Bi-Real Net", 2018 [1808.00278]. Stem, shortcut convolutions and classifier are real;
norms are Larq Zoo's, so that its weights fit.
"""

from functools import partial

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, activation, conv, linear
from lowbit.zoo.blocks import (
    KERAS_EPS,
    Residual,
    Shape,
    glorot,
    norm,
    pooled_shortcut,
    stages,
    stem,
)

BIREAL = Bits("magnitude_aware_sign", "approx_sign")


def block(bits: Bits, ins: int, outs: int, stride: int, eps: float = 1e-5) -> nn.Module:
    """The sign is all that bends; a body without signs gets a ReLU in its place."""
    body = bits.at("body")
    layers = [activation(body), conv(body, ins, outs, 3, stride), norm(outs, eps)]
    return Residual(nn.Sequential(*layers), pooled_shortcut(bits, ins, outs, stride, eps))


def network(shape: Shape, classes: int, bits: Bits, depths: tuple[int, ...]) -> nn.Module:
    model = nn.Sequential(
        stem(bits, shape[0], 64, eps=KERAS_EPS),
        stages(partial(block, bits, eps=KERAS_EPS), (64, 128, 256, 512), depths),
        lnn.GlobalAvgPool2d(),
        linear(bits.at("last"), 512, classes, bias=True),
    )
    return glorot(model)


@architecture(paper="1808.00278", input=(3, 224, 224), classes=1000, bits="w1a1")
def birealnet18(shape: Shape, classes: int, bits: Bits = BIREAL) -> nn.Module:
    """Bi-Real Net with 18 layers."""
    return network(shape, classes, bits, (4, 4, 4, 4))


@architecture(paper="1808.00278", input=(3, 224, 224), classes=1000, bits="w1a1")
def birealnet34(shape: Shape, classes: int, bits: Bits = BIREAL) -> nn.Module:
    """Bi-Real Net with 34 layers."""
    return network(shape, classes, bits, (6, 8, 12, 6))


@architecture(paper="1808.00278", input=(1, 28, 28), classes=10, bits="w1a1")
def birealnet_mini(shape: Shape, classes: int, bits: Bits = BIREAL) -> nn.Module:
    """Bi-Real blocks in three stages of 32, 64 and 128, ours, for 28 x 28: a stem of 3x3, pooled as
    the paper's is, so that most of the work is the blocks' and not the stem's."""
    model = nn.Sequential(
        *(conv(bits.at("first"), shape[0], 32, 3), norm(32), nn.MaxPool2d(2)),
        stages(partial(block, bits), (32, 64, 128), (2, 2, 2)),
        lnn.GlobalAvgPool2d(),
        linear(bits.at("last"), 128, classes, bias=True),
    )
    return glorot(model)
