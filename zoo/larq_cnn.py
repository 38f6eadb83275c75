"""The convolutional network of Larq's tutorial (docs.larq.dev, "Introduction to BNNs"), widened at
will: three 3x3 convolutions without padding, two dense layers, batch norm without gamma after each.
"""

from torch import nn

from lowbit import nn as lnn


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
    image = None if weight is None else "image8"
    activation = [] if input else [nn.ReLU()]
    conv1, conv2, conv3 = widths
    return nn.Sequential(
        lnn.Conv2d(1, conv1, 3, bias=False, weight=weight, input=image),
        nn.MaxPool2d(2),
        batch_norm(lnn.BatchNorm2d, conv1),
        *activation,
        lnn.Conv2d(conv1, conv2, 3, bias=False, weight=weight, input=input),
        nn.MaxPool2d(2),
        batch_norm(lnn.BatchNorm2d, conv2),
        *activation,
        lnn.Conv2d(conv2, conv3, 3, bias=False, weight=weight, input=input),
        batch_norm(lnn.BatchNorm2d, conv3),
        *activation,
        nn.Flatten(),
        lnn.Linear(conv3 * 9, dense, bias=False, weight=weight, input=input),
        batch_norm(lnn.BatchNorm1d, dense),
        *activation,
        lnn.Linear(dense, classes, bias=False, weight=weight, input=input),
        batch_norm(lnn.BatchNorm1d, classes),
    )


def batch_norm(kind: type[nn.BatchNorm2d] | type[nn.BatchNorm1d], channels: int) -> nn.Module:
    """Larq's settings: momentum 0.99 there is 0.01 here, eps 1e-3, and no gamma (scale=False)."""
    norm = kind(channels, eps=1e-3, momentum=0.01)
    assert norm.weight is not None
    norm.weight.requires_grad_(False)
    return norm
