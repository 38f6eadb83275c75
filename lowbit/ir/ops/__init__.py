"""Every operator of the graph, one file a family."""

from lowbit.ir.ops.arithmetic import Add, Clamp, Div, Mul, PRelu, Relu, Sub
from lowbit.ir.ops.codes import AddD, AddF, MeanCodes, MulCodes
from lowbit.ir.ops.functions import Abs, Exp, Sigmoid, Sqrt
from lowbit.ir.ops.matmul import MatMul
from lowbit.ir.ops.place import Embed, Pad, ResizeNearest, Spread
from lowbit.ir.ops.pool import AvgPool, MaxPool, Mean
from lowbit.ir.ops.product import Conv, Linear
from lowbit.ir.ops.reduce import Max, Sum
from lowbit.ir.ops.requantize import QuantizeD, QuantizeF, RequantizeD, RequantizeF
from lowbit.ir.ops.shape import Concat, Reshape, Slice, Transpose
from lowbit.ir.ops.softmax import SoftmaxD, SoftmaxF
from lowbit.ir.ops.step import Lookup, Threshold
from lowbit.ir.ops.wide import Byte, RequantizeWide

__all__ = [
    "Abs",
    "Add",
    "AddD",
    "AddF",
    "AvgPool",
    "Byte",
    "Clamp",
    "Concat",
    "Conv",
    "Div",
    "Embed",
    "Exp",
    "Linear",
    "Lookup",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "MeanCodes",
    "Mul",
    "MulCodes",
    "PRelu",
    "Pad",
    "QuantizeD",
    "QuantizeF",
    "Relu",
    "RequantizeD",
    "RequantizeF",
    "RequantizeWide",
    "Reshape",
    "ResizeNearest",
    "Sigmoid",
    "Slice",
    "SoftmaxD",
    "SoftmaxF",
    "Spread",
    "Sqrt",
    "Sub",
    "Sum",
    "Threshold",
    "Transpose",
]
