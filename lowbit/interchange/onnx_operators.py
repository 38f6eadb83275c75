"""ONNX's operators on integers, each as operators of the graph: what a reader may put in its place.

Arrays in, arrays out, channels first as ONNX has them. Scales and zero points are one for all, one
along `axis`, or one for each block of `block_size` along it.
"""

import numpy as np

from lowbit.ir import ops
from lowbit.spec import Codes

Ends = tuple[int, int]


def spread(values: np.ndarray, shape: tuple[int, ...], axis: int, block_size: int = 0):
    """Parameters in the shape of the tensor that they belong to."""
    values = np.asarray(values)
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), shape)
    if block_size:
        return values.repeat(block_size, axis).take(range(shape[axis]), axis)
    sides = [1] * len(shape)
    sides[axis] = -1
    return np.broadcast_to(values.reshape(sides), shape)


def quantize_linear(
    x: np.ndarray, scale: np.ndarray, zero: np.ndarray, ends: Ends, axis: int = 1, block: int = 0
) -> np.ndarray:
    """z + rint(x / s), clamped: a division, then `quantize_f` with the scale 1."""
    scaled = ops.Div().evaluate(x, spread(scale, x.shape, axis, block))
    zeros = spread(zero, x.shape, axis, block)
    codes = np.zeros(x.shape, np.int64)
    for z in np.unique(zeros):
        made = ops.QuantizeF(Codes(1.0, int(z), *ends)).evaluate(scaled)
        codes = np.where(zeros == z, made, codes)
    return codes


def dequantize_linear(
    q: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int = 1, block: int = 0
) -> np.ndarray:
    """s (q - z)"""
    centred = ops.Sub().evaluate(q, spread(zero, q.shape, axis, block))
    return ops.Mul().evaluate(centred, spread(scale, q.shape, axis, block))


def dynamic_quantize_linear(x: np.ndarray) -> tuple[np.ndarray, np.float32, int]:
    """Codes in 0..255, the scale and the zero point, from the range of x with 0 in it."""
    low, high = np.float32(min(x.min(), 0)), np.float32(max(x.max(), 0))
    scale = (high - low) / np.float32(255)
    zero = int(np.clip(np.rint(np.float32(0) - low / scale), 0, 255))
    return quantize_linear(x, np.array(scale), np.array(zero), (0, 255)), scale, zero


def conv_integer(
    x: np.ndarray,
    w: np.ndarray,
    x_zero: int = 0,
    w_zero: np.ndarray | int = 0,
    *,
    stride: tuple[int, ...] = (1, 1),
    padding: tuple[tuple[int, int], ...] = ((0, 0), (0, 0)),
    dilation: tuple[int, ...] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Sums of (x - x_zero) (w - w_zero), padding counting nothing."""
    op = ops.Conv(stride, padding, dilation, groups)
    codes = np.moveaxis(x.astype(np.int64) - int(x_zero), 1, -1)
    zeros = np.reshape(w_zero, (-1,) + (1,) * (w.ndim - 1)).astype(np.int64)
    weight = np.moveaxis(w.astype(np.int64) - zeros, 1, -1)
    return np.moveaxis(op.evaluate(codes, weight), -1, 1)


def matmul_integer(a: np.ndarray, b: np.ndarray, a_zero: int = 0, b_zero: int = 0) -> np.ndarray:
    """Sums of (a - a_zero) (b - b_zero)."""
    return ops.MatMul((int(a_zero), int(b_zero))).evaluate(a, b)


def requantize(
    sums: np.ndarray, scales: tuple[np.ndarray, np.ndarray, np.ndarray], zero: int, ends: Ends
) -> np.ndarray:
    """Sums, channels last, to codes in form F; `scales` are the operands' and the result's."""
    a, b, y = (np.asarray(s, np.float32).reshape(-1) for s in scales)
    op = ops.RequantizeF(float(a[0]), Codes(float(y[0]), int(zero), *ends))
    return op.evaluate(sums, np.zeros(1, np.int64), b)


def qlinear_conv(
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias=0, *, ends: Ends, **window
) -> np.ndarray:
    sums = np.moveaxis(conv_integer(x, w, x_zero, w_zero, **window), 1, -1) + bias
    return np.moveaxis(requantize(sums, (x_scale, w_scale, y_scale), int(y_zero), ends), -1, 1)


def qlinear_matmul(
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, *, ends: Ends
) -> np.ndarray:
    sums = matmul_integer(a, b, np.asarray(a_zero).item(), np.asarray(b_zero).item())
    zero = np.asarray(y_zero).item()
    return requantize(sums, (a_scale, b_scale, y_scale), zero, ends)
