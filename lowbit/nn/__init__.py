"""Layers with the names and signatures of torch.nn, plus `weight=` and `input=` quantizers."""

from lowbit.nn.activation import LearnedShift, RPReLU
from lowbit.nn.backward import QuantizeGradient
from lowbit.nn.conv import Conv1d, Conv2d
from lowbit.nn.linear import Linear
from lowbit.nn.norm import BatchNorm1d, BatchNorm2d
from lowbit.nn.pool import GlobalAvgPool2d

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "GlobalAvgPool2d",
    "LearnedShift",
    "Linear",
    "QuantizeGradient",
    "RPReLU",
]
