"""The convolutional network of Larq's tutorial (docs.larq.dev, "Introduction to BNNs"), widened at
will: three 3x3 convolutions without padding, two dense layers, batch norm without gamma after each.
"""

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, conv, linear
from lowbit.zoo.blocks import Shape, features, without_gamma

TUTORIAL = Bits("ste_sign", "ste_sign", first="pixels", last="body")


def larq_cnn(
    weight: str | None = "ste_sign",
    input: str | None = "ste_sign",
    widths: tuple[int, int, int] = (32, 64, 64),
    dense: int = 64,
    classes: int = 10,
) -> nn.Sequential:
    """A classifier of (N, 1, 28, 28) images in [0, 1].

    `weight` and `input` name the quantizers of every layer, the last included; the first layer
    takes the image's own bytes. With both None it is the float twin: the same shapes, with ReLU
    where the others quantize.
    """
    bits = Bits(weight, input, first="pixels", last="body")
    return network((1, 28, 28), classes, bits, widths, dense)


@architecture(paper="docs.larq.dev", input=(1, 28, 28), classes=10, bits="w1a1")
def larq_tutorial(shape: Shape, classes: int, bits: Bits = TUTORIAL) -> nn.Module:
    """The network of Larq's tutorial."""
    return network(shape, classes, bits, (32, 64, 64), 64)


def network(
    shape: Shape, classes: int, bits: Bits, widths: tuple[int, int, int], dense: int
) -> nn.Sequential:
    first, body = bits.at("first"), bits.at("body")
    act = [] if body.input else [nn.ReLU()]
    conv1, conv2, conv3 = widths
    layers = [
        *(conv(first, shape[0], conv1, 3, padding=0), nn.MaxPool2d(2), batch_norm(conv1), *act),
        *(conv(body, conv1, conv2, 3, padding=0), nn.MaxPool2d(2), batch_norm(conv2), *act),
        *(conv(body, conv2, conv3, 3, padding=0), batch_norm(conv3), *act, nn.Flatten()),
    ]
    size = features(nn.Sequential(*layers), shape)
    layers += [linear(body, size, dense), batch_norm(dense, lnn.BatchNorm1d), *act]
    layers += [linear(bits.at("last"), dense, classes), batch_norm(classes, lnn.BatchNorm1d)]
    model = nn.Sequential(*layers)
    return as_keras_starts(model) if body.weight else model


def as_keras_starts(model: nn.Sequential) -> nn.Sequential:
    """Glorot's uniform weights; torch's are smaller, and latent weights flip sooner."""
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
    return model


def batch_norm(
    channels: int, kind: type[nn.BatchNorm2d] | type[nn.BatchNorm1d] = lnn.BatchNorm2d
) -> nn.Module:
    """Larq's settings: momentum 0.99 there is 0.01 here, eps 1e-3, and no gamma (scale=False)."""
    return without_gamma(kind(channels, eps=1e-3, momentum=0.01))
