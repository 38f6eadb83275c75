"""The meaning of the instructions that are functions of one float32, over whole arrays."""

import numpy as np

from lowbit import exponential
from lowbit.kernels.program import Op

ONE = np.float32(1)


def exp(x):
    """Equations (1) and (2) of lowbit/exponential.py."""
    inside = np.clip(x, np.float32(exponential.LOWEST), np.float32(exponential.HIGHEST))
    n = np.rint(inside * np.float32(exponential.LOG2_E))
    r = (inside - n * np.float32(exponential.C1)) - n * np.float32(exponential.C2)
    p = np.float32(exponential.POLYNOMIAL[0])
    for coefficient in exponential.POLYNOMIAL[1:]:
        p = p * r + np.float32(coefficient)
    y = ((p * (r * r) + r) + ONE) * np.ldexp(ONE, n.astype(np.int32))
    return np.where(x < np.float32(exponential.LOWEST), np.float32(0), y).astype(np.float32)


def root(x):
    with np.errstate(invalid="ignore"):
        return np.sqrt(x)


STEPS = {
    Op.ABS: lambda i, x, first: np.abs(x),
    Op.SQRT: lambda i, x, first: root(x),
    Op.EXP: lambda i, x, first: exp(x),
    Op.SIGMOID: lambda i, x, first: ONE / (ONE + exp(-x)),
}
