"""Real-to-Binary: the output of each binary convolution is scaled by what its input looks like.

Martinez et al., "Training Binary Neural Networks with Real-to-Binary Convolutions", 2020
[2003.11535], in the form of Larq Zoo. The scales come out of a sigmoid whose
exponential is stated, so that every runtime gives the same bits.
"""

from functools import partial

from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, linear
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

SIGNS = Bits("ste_sign", "ste_sign")
SQUEEZE = 8


class ScaledConvolution(nn.Module):
    """conv(x) sigmoid(W2 relu(W1 mean x)), one scale a channel: section 4.3."""

    def __init__(self, bits: Bits, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        real = bits.at("real")
        self.conv = conv(bits.at("body"), ins, outs, 3, stride)
        self.gate = nn.Sequential(
            lnn.GlobalAvgPool2d(),
            *(linear(real, ins, ins // SQUEEZE), nn.ReLU()),
            *(linear(real, ins // SQUEEZE, outs), lnn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.gate(x).unsqueeze(2).unsqueeze(3)


def block(bits: Bits, ins: int, outs: int, stride: int) -> nn.Module:
    scaled = ScaledConvolution(bits, ins, outs, stride)
    body = nn.Sequential(norm(ins, KERAS_EPS), scaled, nn.PReLU(outs))
    return Residual(body, pooled_shortcut(bits, ins, outs, stride, KERAS_EPS))


@architecture(paper="2003.11535", input=(3, 224, 224), classes=1000, bits="w1a1")
def real_to_binary18(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """Real-to-Binary on ResNet-18's plan."""
    model = nn.Sequential(
        stem(bits, shape[0], 64, nn.PReLU(64), eps=KERAS_EPS),
        stages(partial(block, bits), (64, 128, 256, 512), (4, 4, 4, 4)),
        lnn.GlobalAvgPool2d(),
        linear(bits.at("last"), 512, classes, bias=True),
    )
    return glorot(model)
