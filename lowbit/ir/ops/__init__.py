"""Every operator of the graph, one file a family."""

from lowbit.ir.ops.arithmetic import Add, Clamp, Div, Mul, PRelu, Relu, Sub
from lowbit.ir.ops.codes import AddD, AddF, MeanCodes, MulCodes
from lowbit.ir.ops.pool import AvgPool, MaxPool, Mean
from lowbit.ir.ops.product import Conv, Linear
from lowbit.ir.ops.requantize import QuantizeD, QuantizeF, RequantizeD, RequantizeF
from lowbit.ir.ops.shape import Concat, Reshape, Transpose
from lowbit.ir.ops.step import Lookup, Threshold

__all__ = [
    "Add",
    "AddD",
    "AddF",
    "AvgPool",
    "Clamp",
    "Concat",
    "Conv",
    "Div",
    "Linear",
    "Lookup",
    "MaxPool",
    "Mean",
    "MeanCodes",
    "Mul",
    "MulCodes",
    "PRelu",
    "QuantizeD",
    "QuantizeF",
    "Relu",
    "RequantizeD",
    "RequantizeF",
    "Reshape",
    "Sub",
    "Threshold",
    "Transpose",
]
