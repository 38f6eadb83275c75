"""Activations, float arithmetic, and what changes nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lowbit.interchange.onnx_model import Step, demand
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Index, Known, Sums, Value
from lowbit.ir import Op, ops
from lowbit.spec import Parameters


@rule("Relu")
def relu(reader: Reader, step: Step) -> Known:
    return clamped(reader, step, 0.0, np.inf)


@rule("Clip")
def clip(reader: Reader, step: Step) -> Known:
    ends = [reader.number(step, i, e) for i, e in ((1, -np.inf), (2, np.inf))]
    return clamped(reader, step, *ends)


def clamped(reader: Reader, step: Step, lo: float, hi: float) -> Known:
    found = reader.known.get(step.inputs[0])
    if isinstance(found, Value) and found.worth:
        found = sums_of(found, found.worth)
    if isinstance(found, Sums):
        return replace(found, lo=max(lo, found.lo), hi=min(hi, found.hi))
    x = reader.real(reader.value(step, 0))
    ends = (float(np.clip(e, -3e38, 3e38)) for e in (lo, hi))
    return reader.emit(ops.Relu() if (lo, hi) == (0, np.inf) else ops.Clamp(*ends), x, axes=x.axes)


def sums_of(value: Value, worth: Parameters) -> Sums:
    """Codes as sums of one term each, which an activation clamps and a quantize node recodes."""
    one, bias = np.ones(1, np.float32), np.array([-worth.zero_point], np.int64)
    return Sums(replace(value, worth=None), worth.scale, one, bias)


def arithmetic(op: Op) -> Callable[[Reader, Step], Value]:
    def compute(reader: Reader, step: Step) -> Value:
        moving = [isinstance(reader.known.get(n), Value | Sums) for n in step.inputs[:2]]
        demand(any(moving) and len(moving) == 2, f"{step}: two operands, one from the input")
        first = reader.real(reader.value(step, 0 if moving[0] else 1))
        if all(moving):
            other: Value | str = reader.arranged(reader.real(reader.value(step, 1)), first.axes)
        else:
            other = placed(reader, step, reader.array(step, 1 if moving[0] else 0), first)
        pair = (first, other) if moving[0] else (other, first)
        return reader.emit(op, *pair, axes=first.axes)

    return compute


difference = arithmetic(ops.Sub())
for kind, op in {"Add": ops.Add(), "Mul": ops.Mul(), "Div": ops.Div()}.items():
    rule(kind)(arithmetic(op))


@rule("Sub")
def subtract(reader: Reader, step: Step) -> Known:
    found = reader.known.get(step.inputs[0])
    if isinstance(found, Index):
        return replace(found, start=found.start + int(reader.number(step, 1)))
    return difference(reader, step)


def placed(reader: Reader, step: Step, value: np.ndarray, like: Value) -> str:
    """A constant in the axes of a tensor that it is broadcast against."""
    rank = len(like.axes)
    if value.ndim > rank:
        demand(value.ndim == rank + 1 and len(value) == 1, f"{step}: a constant has no batch")
        value = value[0]
    value = value.reshape((1,) * (rank - value.ndim) + value.shape).transpose(like.axes)
    return reader.constant(value.astype(np.float32))


@rule("Identity", "Dropout")
def identity(reader: Reader, step: Step) -> Known:
    demand(step.inputs[0] in reader.known, f"{step}: {step.inputs[0]!r:.80} is never made")
    return reader.known[step.inputs[0]]
