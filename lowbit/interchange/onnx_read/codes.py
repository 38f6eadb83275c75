"""Quantize and dequantize nodes."""

from dataclasses import replace

import numpy as np

from lowbit.interchange.onnx_model import Step, demand
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Known, Sums, Value, Weights, along
from lowbit.ir import ops
from lowbit.spec import Codes, Parameters, QuantSpec


@rule("QuantizeLinear")
def quantize(reader: Reader, step: Step) -> Value:
    worth, ends = reader.worth(step, 1, 2), reader.ends(step, 2)
    found = reader.known.get(step.inputs[0])
    if isinstance(found, Sums):
        return requantized(reader, found, worth, ends)
    value = reader.value(step, 0)
    spec = reader.types[value.name].spec
    if value.worth == worth and spec and ends[0] <= spec.lo and spec.hi <= ends[1]:
        return replace(value, worth=None)
    x = reader.real(value)
    if worth.scale != 1:
        scale = reader.constant(np.array(worth.scale, np.float32))
        x = reader.emit(ops.Div(), x, scale, axes=x.axes)
    return reader.emit(ops.QuantizeF(Codes(1.0, worth.zero_point, *ends)), x, axes=x.axes)


def requantized(reader: Reader, sums: Sums, worth: Parameters, ends: tuple[int, int]) -> Value:
    """Form F, an activation's clamp in its codes."""
    lo, hi = (
        worth.zero_point + np.rint(np.clip(e / worth.scale, -1e6, 1e6)) for e in (sums.lo, sums.hi)
    )
    clamp = (max(ends[0], int(min(lo, ends[1]))), min(ends[1], int(max(hi, ends[0]))))
    bias = np.atleast_1d(sums.bias).astype(np.int64)
    spec = QuantSpec(int(bias.min()), int(bias.max()))
    operands = (reader.constant(bias, spec), reader.constant(np.atleast_1d(sums.scales)))
    op = ops.RequantizeF(sums.scale, Codes(*worth, *clamp))
    return reader.emit(op, sums.value, *operands, axes=sums.value.axes)


@rule("DequantizeLinear")
def dequantize(reader: Reader, step: Step) -> Known:
    found = reader.known.get(step.inputs[0])
    if isinstance(found, np.ndarray):
        scales, zeros = reader.array(step, 1), reader.array(step, 2, 0)
        axis = step.options.get("axis", 1)
        demand(not step.options.get("block_size"), f"{step}: blocks are not read")
        rank = max(found.ndim, 1)
        codes = found.astype(np.int64) - along(zeros.astype(np.int64), rank, axis % rank)
        return Weights(codes, scales.reshape(-1), axis % rank)
    return replace(reader.value(step, 0), worth=reader.worth(step, 1, 2))
