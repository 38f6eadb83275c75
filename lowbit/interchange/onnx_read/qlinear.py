"""Operators on codes that bring scales and zero points along: ONNX's and ONNX Runtime's own."""

import numpy as np

from lowbit.interchange.onnx_model import Step
from lowbit.interchange.onnx_read.codes import requantized
from lowbit.interchange.onnx_read.products import bias_of, convolved, paired, product, turned
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Value, Weights, along
from lowbit.ir import ops


def coded(reader: Reader, step: Step, first: int, axis: int) -> Weights:
    """The weights of a QLinear operator: codes, scale and zero point one after the other."""
    codes, scales, zeros = (reader.array(step, first + i) for i in range(3))
    centred = codes.astype(np.int64) - along(zeros.astype(np.int64), codes.ndim, axis)
    return Weights(centred, scales.reshape(-1), axis)


@rule("QLinearConv")
def qlinear_conv(reader: Reader, step: Step) -> Value:
    x, worth, w = reader.value(step, 0), reader.worth(step, 1, 2), coded(reader, step, 3, 0)
    sums = convolved(reader, step, x, worth, w, bias_of(reader, step, 8, len(w.codes)))
    return requantized(reader, sums, reader.worth(step, 6, 7), reader.ends(step, 7))


@rule("QLinearMatMul")
def qlinear_matmul(reader: Reader, step: Step) -> Value:
    a, worth = reader.value(step, 0), reader.worth(step, 1, 2)
    if isinstance(reader.known.get(step.inputs[3]), np.ndarray):
        w = turned(coded(reader, step, 3, 1))
        zeros = np.zeros(len(w.codes), np.int64)
        sums = product(reader, step, ops.Linear(), reader.natural(a), w, zeros, worth)
    else:
        sums = paired(reader, a, reader.value(step, 3), worth, reader.worth(step, 4, 5))
    return requantized(reader, sums, reader.worth(step, 6, 7), reader.ends(step, 7))


@rule("QGemm")
def qgemm(reader: Reader, step: Step) -> Value:
    a, worth, w = reader.value(step, 0), reader.worth(step, 1, 2), coded(reader, step, 3, 0)
    w = w if step.options.get("transB") else turned(w)
    bias = bias_of(reader, step, 6, len(w.codes))
    sums = product(reader, step, ops.Linear(), reader.natural(a), w, bias, worth)
    return requantized(reader, sums, reader.worth(step, 7, 8), reader.ends(step, 8))
