"""What several families are built of: norms without gamma, shortcuts, stages, flattened sizes."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.bits import Bits, conv

Block = Callable[[int, int, int], nn.Module]
Shape = tuple[int, int, int]


KERAS_EPS = 1e-3  # of batch norm, where Larq Zoo says nothing else


def norm(channels: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
    return lnn.BatchNorm2d(channels, eps=eps, momentum=momentum)


def without_gamma(batch_norm: nn.Module) -> nn.Module:
    """Keras's scale=False: gamma stays 1."""
    assert isinstance(batch_norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert batch_norm.weight is not None
    batch_norm.weight.requires_grad_(False)
    return batch_norm


class Residual(nn.Module):
    """body(x) + shortcut(x)"""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def pooled_shortcut(bits: Bits, ins: int, outs: int, stride: int, eps: float = 1e-5) -> nn.Module:
    """Bi-Real Net's: an average over 2 x 2, a real 1 x 1 convolution and a norm, where the shape
    changes; nothing where it does not."""
    if stride == 1 and ins == outs:
        return nn.Identity()
    layers = [conv(bits.at("real"), ins, outs, 1), norm(outs, eps)]
    pool = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
    return nn.Sequential(*pool, *layers)


class PaddedShortcut(nn.Module):
    """ResNet's option A: every other pixel, and zeros for the channels that are new.

    He et al., "Deep Residual Learning for Image Recognition", 2016 [1512.03385], section 4.2.
    """

    def __init__(self, stride: int, times: int) -> None:
        super().__init__()
        self.stride = stride
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.max_pool2d(x, 1, self.stride)
        return torch.cat([x, *[x * 0.0] * (self.times - 1)], 1) if self.times > 1 else x


def stages(
    block: Block, widths: Sequence[int], depths: Sequence[int], ins: int = 0
) -> nn.Sequential:
    """`block(ins, outs, stride)` after block; each stage but the first halves the sides.

    `ins` is what the first block is given, if that is not the first width.
    """
    layers, ins = [], ins or widths[0]
    for stage, (outs, depth) in enumerate(zip(widths, depths, strict=True)):
        for i in range(depth):
            layers.append(block(ins, outs, 2 if stage and not i else 1))
            ins = outs
    return nn.Sequential(*layers)


def glorot(model: nn.Module) -> nn.Module:
    """Keras's way to begin. torch's weights are smaller, and latent weights near zero flip sooner.

    Glorot and Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    2010; normal, as Larq Zoo has it.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight)
    return model


def stem(
    bits: Bits, channels: int, width: int, *after: nn.Module, eps: float = 1e-5
) -> nn.Sequential:
    """ImageNet's beginning: 7 x 7 at stride 2, a norm, and a 3 x 3 maximum at stride 2."""
    first = conv(bits.at("first"), channels, width, 7, 2)
    return nn.Sequential(first, norm(width, eps), *after, nn.MaxPool2d(3, 2, 1))


def features(layers: nn.Module, shape: Shape) -> int:
    """How many values of an image of `shape` come out of `layers`."""
    layers.eval()
    with torch.no_grad():
        count = layers(torch.zeros(1, *shape)).numel()
    layers.train()
    return count
