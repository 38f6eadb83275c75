"""AlexNet three times: BinaryNet's, XNOR-Net's and DoReFa-Net's, in the shapes of Larq Zoo.

Hubara et al., "Binarized Neural Networks", 2016 [1602.02830]; Rastegari et al., "XNOR-Net", 2016
[1603.05279]; Zhou et al., "DoReFa-Net", 2016 [1606.06160]. All norms are without gamma.
"""

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, activation, conv, linear
from lowbit.zoo.blocks import KERAS_EPS, Shape, features, norm, without_gamma


def pool(padding: int = 0) -> nn.Module:
    return nn.MaxPool2d(3, 2, padding)


def dense_norm(width: int, eps: float) -> nn.Module:
    return without_gamma(lnn.BatchNorm1d(width, eps=eps))


BINARY = Bits("ste_sign", "ste_sign", first="pixels", last="body")


@architecture(paper="1602.02830", input=(3, 224, 224), classes=1000, bits="w1a1")
def binary_alexnet(shape: Shape, classes: int, bits: Bits = BINARY) -> nn.Module:
    """BinaryNet's AlexNet: every weight is binary, the first and the last layer's too."""
    layers, ins, pair = [], shape[0], bits.at("first")
    body = bits.at("body")
    plan = ((64, 11, 4, True), (192, 5, 1, True), (384, 3, 1, False), (384, 3, 1, False))
    for outs, kernel, stride, pooled in (*plan, (256, 3, 1, True)):
        layers += [conv(pair, ins, outs, kernel, stride), *([pool()] if pooled else [])]
        layers += [without_gamma(norm(outs, KERAS_EPS)), activation(body)]
        ins, pair = outs, body
    size = features(nn.Sequential(*layers), shape)
    layers.append(nn.Flatten())
    for outs in (4096, 4096):
        layers += [linear(body, size, outs), dense_norm(outs, KERAS_EPS), activation(body)]
        size = outs
    return nn.Sequential(
        *layers, linear(bits.at("last"), size, classes), dense_norm(classes, KERAS_EPS)
    )


XNOR = Bits("xnor", "ste_sign")


@architecture(paper="1603.05279", input=(3, 224, 224), classes=1000, bits="w1a1")
def xnor_alexnet(shape: Shape, classes: int, bits: Bits = XNOR) -> nn.Module:
    """XNOR-Net's AlexNet: scaled binary weights between a real first and a real last layer."""
    body, act = bits.at("body"), activation(bits.at("body"))
    layers: list[nn.Module] = [
        *(conv(bits.at("first"), shape[0], 96, 11, 4), without_gamma(norm(96)), nn.ReLU(), pool()),
        *(without_gamma(norm(96, 1e-4)), act),
        *(conv(body, 96, 256, 5), pool(), without_gamma(norm(256, 1e-4)), act),
        *(conv(body, 256, 384, 3), without_gamma(norm(384, 1e-4)), act),
        *(conv(body, 384, 384, 3), without_gamma(norm(384, 1e-4)), act),
        *(conv(body, 384, 256, 3), pool(), without_gamma(norm(256, 1e-4)), act),
    ]
    size = features(nn.Sequential(*layers), shape)
    layers += [nn.Flatten(), linear(body, size, 4096), dense_norm(4096, 1e-4), act]
    layers += [linear(body, 4096, 4096), dense_norm(4096, 1e-3), nn.ReLU()]
    return nn.Sequential(*layers, linear(bits.at("last"), 4096, classes))


DOREFA = Bits("dorefa:1", "dorefa:2")


@architecture(paper="1606.06160", input=(3, 224, 224), classes=1000, bits="w1a2")
def dorefanet(shape: Shape, classes: int, bits: Bits = DOREFA) -> nn.Module:
    """DoReFa-Net's AlexNet: binary weights, 2-bit activations, real edges."""
    body, last = bits.at("body"), bits.at("last")
    layers: list[nn.Module] = [conv(bits.at("first"), shape[0], 96, 12, 4, padding=0, bias=True)]
    plan = (
        (96, 256, 5, pool(1)),
        (256, 384, 3, pool(1)),
        (384, 384, 3, None),
        (384, 256, 3, pool()),
    )
    for ins, outs, kernel, pooled in plan:
        layers += [conv(body, ins, outs, kernel), without_gamma(norm(outs, 1e-4))]
        layers += [pooled] if pooled else []
    size = features(nn.Sequential(*layers), shape)
    layers.append(nn.Flatten())
    for outs in (4096, 4096):
        layers += [linear(body, size, outs), dense_norm(outs, 1e-4)]
        size = outs
    return nn.Sequential(*layers, nn.Hardtanh(0.0, 1.0), linear(last, size, classes, bias=True))
