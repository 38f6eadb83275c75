r"""The meaning of each instruction, over whole arrays.

A value x with thresholds t_0 <= ... <= t_(n-1) has the index

    i = sum_k [x >= t_k],                                                                   (1)

and becomes the code  lo + step i,  or where the channel is falling  lo + step (n - i). Both are
base + slope i, with (base, slope) = (lo, step) or (lo + step n, -step) stored a channel.
"""

from functools import partial

import numpy as np

from lowbit.kernels.program import INSTRUCTION, Op, eight_bit_reference, functions_reference, steps
from lowbit.kernels.record import fields, view
from lowbit.spec import QuantSpec

BINARY_OPS = {
    Op.ADD: lambda x, y: x + y,
    Op.SUB: lambda x, y: x - y,
    Op.SUB_FROM: lambda x, y: y - x,
    Op.MUL: lambda x, y: x * y,
    Op.DIV: lambda x, y: x / y,
    Op.DIV_FROM: lambda x, y: y / x,
    Op.PRELU: lambda x, y: np.where(x > 0, x, y * x),
}
LOADS = {Op.LOAD_BYTE: np.int8, Op.LOAD_UBYTE: np.uint8}
COUNTS = {
    Op.THRESHOLD_INT: np.int32,
    Op.THRESHOLD_FLOAT: np.float32,
    Op.SEARCH_INT: np.int32,
    Op.SEARCH_FLOAT: np.float32,
    Op.NEAR_INT: np.int32,
    Op.NEAR_FLOAT: np.float32,
}


def run(program: int, values: np.ndarray, first: int) -> None:
    """Runs a program on (pixels, channels) of int32 or float32, from pixel `first` on."""
    while (i := fields(program, INSTRUCTION)).op != Op.END:
        values = STEPS.get(Op(i.op), arithmetic)(i, values, first)
        program += INSTRUCTION.itemsize


def rows(i, dtype, first: int, pixels: int, *shape: int) -> np.ndarray:
    """The operand's (pixels, *shape); one row for a constant."""
    if i.row == 0:
        return view(i.at, dtype, 1, *shape)
    pixel = np.arange(first, first + pixels) // i.div
    pixel = pixel % i.mod if i.mod else pixel
    return view(i.at, dtype, int(pixel.max()) + 1, *shape)[pixel]


def target(i, dtype, first: int, pixels: int, *shape: int) -> np.ndarray:
    return view(i.at, dtype, first + pixels, *shape)[first:]


def arithmetic(i, x, first):
    y = rows(i, np.float32, first, *x.shape)
    with np.errstate(all="ignore"):
        return BINARY_OPS[Op(i.op)](x, y).astype(np.float32)


def load(i, x, first):
    return rows(i, LOADS.get(Op(i.op), x.dtype), first, *x.shape).astype(x.dtype)


def spec_of(i) -> QuantSpec:
    return QuantSpec(i.lo, i.lo + i.step * (2**i.planes - 1), i.step)


def plane_shape(i) -> tuple[int, int]:
    return i.planes, -(-i.channels // 64)


def load_planes(i, x, first):
    from lowbit.kernels.layout import unpack

    return unpack(rows(i, np.uint64, first, len(x), *plane_shape(i)), i.channels, spec_of(i))


def store_planes(i, x, first):
    from lowbit.kernels.layout import pack

    target(i, np.uint64, first, len(x), *plane_shape(i))[:] = pack(x, spec_of(i))
    return x


def store(dtype):
    def run(i, x, first):
        kept = x.view(np.int32) if dtype is None else x
        target(i, dtype or np.int32, first, *x.shape)[:] = kept.astype(dtype or np.int32)
        return x

    return run


def clamp(i, x, first):
    low, high = (view(at, np.float32, x.shape[1]) for at in (i.at, i.second))
    return np.minimum(np.maximum(x, low), high)


def threshold(i, x, first):
    """Equation (1)."""
    dtype, channels = COUNTS[Op(i.op)], x.shape[1] if i.by_channel else 1
    if i.op in (Op.NEAR_INT, Op.NEAR_FLOAT):
        t = view(i.at + i.hi, dtype, channels, i.levels + 2)[:, 1:-1]
    elif i.op in (Op.SEARCH_INT, Op.SEARCH_FLOAT):
        t = view(i.at, dtype, channels, i.levels)
    else:
        t = view(i.at, dtype, i.levels, i.channels)[:, : x.shape[1]].T
    index = (x[:, :, None] >= t).sum(2, dtype=np.int32)
    base, slope = (view(at, np.int32, x.shape[1]) for at in (i.second, i.third))
    return base + slope * index


def lookup(i, x, first):
    channels = x.shape[1] if i.by_channel else 1
    table = view(i.at, np.int32, channels, i.levels)
    return table[np.arange(channels), x - i.lo]


STEPS = {
    Op.LOAD_WORD: load,
    Op.LOAD_BYTE: load,
    Op.LOAD_UBYTE: load,
    Op.LOAD_PLANES: load_planes,
    Op.TO_FLOAT: lambda i, x, first: x.astype(np.float32),
    Op.RELU: lambda i, x, first: np.maximum(x, np.float32(0)),
    Op.CLAMP: clamp,
    Op.THRESHOLD_INT: threshold,
    Op.THRESHOLD_FLOAT: threshold,
    Op.SEARCH_INT: threshold,
    Op.SEARCH_FLOAT: threshold,
    Op.NEAR_INT: threshold,
    Op.NEAR_FLOAT: threshold,
    Op.LOOKUP: lookup,
    Op.STEPS_INT: steps.reference,
    Op.STEPS_FLOAT: steps.reference,
    Op.STEPS_NEAREST: partial(steps.rounded_reference, steps.nearest_indices),
    Op.STEPS_QUOTIENT: partial(steps.rounded_reference, steps.quotient_indices),
    Op.STORE_WORD: store(None),
    Op.STORE_AS_FLOAT: store(np.float32),
    Op.STORE_BYTE: store(np.int8),
    Op.STORE_PLANES: store_planes,
    **eight_bit_reference.STEPS,
    **functions_reference.STEPS,
}
