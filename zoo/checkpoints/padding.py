"""Keras's "same" padding at a stride: out = ceil(in / stride), and the odd pixel goes behind.

torch pads alike on both sides, which is another network wherever a side is even: at 224, every
window of stride 2 reads one pixel further on.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.nn.conv import keras_padding


class SameMaxPool2d(nn.MaxPool2d):
    """What lies beyond the image is never the largest: ceil mode stands for the odd pixel."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = pair(self.kernel_size), pair(self.stride)
        axes = zip(x.shape[2:], kernel, stride, strict=True)
        before = tuple(keras_padding(*axis)[0] for axis in axes)
        return F.max_pool2d(x, kernel, stride, before, ceil_mode=True)


def pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else tuple(size)


def pad_as_keras(model: nn.Module) -> nn.Module:
    """The model, whose padded layers of stride above 1 pad as Keras's do. Strided layers without
    padding are "valid" in both."""
    for module in model.modules():
        if isinstance(module, lnn.Conv1d | lnn.Conv2d) and max(module.stride) > 1:
            module.pads_as_keras = module.padding != "valid" and any(map(int, module.padding))
        elif isinstance(module, nn.MaxPool2d) and any(pair(module.padding)):
            module.__class__ = SameMaxPool2d
    return model
