"""Layers with the names and signatures of torch.nn, plus `weight=` and `input=` quantizers."""

from lowbit.nn.activation import LearnedShift, RPReLU
from lowbit.nn.norm import BatchNorm1d, BatchNorm2d
from lowbit.nn.pool import GlobalAvgPool2d
from lowbit.nn.product import Conv1d, Conv2d, Linear

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "GlobalAvgPool2d",
    "LearnedShift",
    "Linear",
    "RPReLU",
]
