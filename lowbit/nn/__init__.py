"""Layers with the names and signatures of torch.nn, plus `weight=` and `input=` quantizers."""

from lowbit.nn.activation import LearnedShift, RPReLU
from lowbit.nn.backward import QuantizeGradient
from lowbit.nn.conv import Conv1d, Conv2d
from lowbit.nn.linear import Linear
from lowbit.nn.norm import BatchNorm1d, BatchNorm2d
from lowbit.nn.pool import GlobalAvgPool2d
from lowbit.nn.transformer import MatMul, RMSNorm, Sigmoid, SiLU, Softmax, SquaredReLU, Tanh

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "GlobalAvgPool2d",
    "LearnedShift",
    "Linear",
    "MatMul",
    "QuantizeGradient",
    "RMSNorm",
    "RPReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SquaredReLU",
    "Tanh",
]
