"""The networks of BNN-PYNQ: multilayer perceptrons of three equal layers, and CNV.

Umuroglu et al., "FINN", 2017 [1612.07119], in the form of Brevitas' examples: pixels are brought
to [-1, 1], the perceptrons quantize them as every other input and drop some out, and one norm
over all logits stands behind the last layer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.nn.product import multiply
from lowbit.schemes import Pair
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, activation, conv, is_binary, linear
from lowbit.zoo.blocks import Shape, features, norm

CNV_WIDTHS = ((64, False), (64, True), (128, False), (128, True), (256, False), (256, False))
PERCEPTRON = Bits("ste_sign", "ste_sign", first="body", last="body")
DROPPED = 0.2
CNV = Bits("ste_sign", "ste_sign", first="pixels", last="body")


class TensorNorm(nn.Module):
    """One norm over all logits: they keep their order, and come out near 1."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = lnn.BatchNorm1d(1, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.unsqueeze(1)).squeeze(1)


class Dropping(lnn.Linear):
    """Drops inputs once they are codes: a value dropped in front of the quantizer would be a zero,
    whose sign is +1."""

    def forward(self, x: Tensor) -> Tensor:
        return multiply(self, x, 0, self.product)

    def product(self, codes: Tensor, weight: Tensor) -> Tensor:
        return F.linear(F.dropout(codes, DROPPED, self.training), weight)


class Centred(nn.Module):
    """2 x - 1 for signed codes, so that dark pixels are -1."""

    def __init__(self, signed: bool) -> None:
        super().__init__()
        self.signed = signed

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0 if self.signed else x


@architecture(paper="1612.07119", input=(1, 28, 28), classes=10, bits="w1a1")
def tfc(shape: Shape, classes: int, bits: Bits = PERCEPTRON) -> nn.Module:
    """BNN-PYNQ's perceptron with layers of 64."""
    return perceptron(shape, classes, bits, 64)


@architecture(paper="1612.07119", input=(1, 28, 28), classes=10, bits="w1a1")
def sfc(shape: Shape, classes: int, bits: Bits = PERCEPTRON) -> nn.Module:
    """BNN-PYNQ's perceptron with layers of 256."""
    return perceptron(shape, classes, bits, 256)


@architecture(paper="1612.07119", input=(1, 28, 28), classes=10, bits="w1a1")
def lfc(shape: Shape, classes: int, bits: Bits = PERCEPTRON) -> nn.Module:
    """BNN-PYNQ's perceptron with layers of 1024."""
    return perceptron(shape, classes, bits, 1024)


def perceptron(shape: Shape, classes: int, bits: Bits, width: int) -> nn.Module:
    body, act = bits.at("body"), activation(bits.at("body"))
    ins = int(torch.Size(shape).numel())
    first = bits.at("first")
    layers: list[nn.Module] = [nn.Flatten(), Centred(is_binary(first))]
    for pair, size in ((first, ins), (body, width), (body, width)):
        layers += [dropping(pair, size, width), lnn.BatchNorm1d(width), act]
    last = dropping(bits.at("last"), width, classes)
    return uniform(nn.Sequential(*layers, last, TensorNorm()))


def dropping(pair: Pair, ins: int, outs: int) -> nn.Module:
    return Dropping(ins, outs, bias=False, weight=pair.weight, input=pair.input)


@architecture(paper="1612.07119", input=(3, 32, 32), classes=10, bits="w1a1")
def cnv(shape: Shape, classes: int, bits: Bits = CNV) -> nn.Module:
    """BNN-PYNQ's CNV: six 3x3 convolutions without padding, three dense layers."""
    body, layers, ins = bits.at("first"), [], shape[0]
    for width, pool in CNV_WIDTHS:
        layers += [conv(body, ins, width, 3, padding=0), norm(width, eps=1e-4)]
        body = bits.at("body")
        layers += [activation(body), *([nn.MaxPool2d(2)] if pool else [])]
        ins = width
    size = features(nn.Sequential(*layers), shape)
    layers.append(nn.Flatten())
    for outs in (512, 512):
        layers += [linear(body, size, outs), lnn.BatchNorm1d(outs, eps=1e-4), activation(body)]
        size = outs
    last = linear(bits.at("last"), size, classes)
    return uniform(nn.Sequential(*layers, last, TensorNorm()))


def uniform(model: nn.Module) -> nn.Module:
    """Latent weights begin anywhere in [-1, 1]; float ones as torch has them."""
    for layer in model.modules():
        if isinstance(layer, lnn.Conv2d | lnn.Linear) and layer.weight_quantizer is not None:
            nn.init.uniform_(layer.weight, -1, 1)
    return model
