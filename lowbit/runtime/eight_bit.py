"""Operators on 8-bit codes to instructions: constants are put into fixed point here, once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lowbit.ir import Node, TensorType
from lowbit.ir.ops import (
    AddD,
    AddF,
    Byte,
    MulCodes,
    QuantizeD,
    QuantizeF,
    RequantizeD,
    RequantizeF,
    RequantizeWide,
)
from lowbit.ir.ops.codes import headroom
from lowbit.kernels.layout import Layout, whole
from lowbit.kernels.limit import Limit
from lowbit.kernels.program import Op

UNARY = (Byte, QuantizeD, QuantizeF, RequantizeD, RequantizeF)  # with constants besides
PAIRS = (AddD, AddF, MulCodes)
OPS = (*UNARY, *PAIRS, RequantizeWide)

Instruction = dict[str, Any]
Vector = Callable[..., np.ndarray]


def operand_layout(node: Node, type_: TensorType) -> Layout:
    """How the other operand of an elementwise node is read."""
    return whole(type_.spec) if isinstance(node.op, (*PAIRS, RequantizeWide)) else Layout.FLOAT


def instruction(node: Node, carried: str, types, operand, vector: Vector) -> Instruction:
    """One node; `operand` says where its other operand lies, `vector` spreads over channels."""
    rule, shape = RULES[type(node.op)], types[node.output].shape
    channels = shape[-1] if shape else 1
    if isinstance(node.op, UNARY):
        values = [types[name].value for name in node.inputs[1:]]
        return rule(node.op, values, lambda v, dtype=np.float32: vector(v, channels, dtype))
    if isinstance(node.op, RequantizeWide):
        values = [types[name].value for name in node.inputs[2:]]
        lower = node.inputs[1]
        kind = operand_layout(node, types[lower])
        vectors = requantize_wide(node.op, values, lambda v: vector(v, channels, np.int32))
        return {**vectors, "kind": kind, **operand(node, lower)}
    first = node.inputs[0] == carried
    other = node.inputs[1] if first else node.inputs[0]
    if types[other].value is not None:
        raise Limit(f"{node}: an operand is a constant")
    kind = operand_layout(node, types[other])
    return {**rule(node.op, first), "kind": kind, **operand(node, other)}


def ends(op) -> Instruction:
    return {"lo": op.to.lo, "hi": op.to.hi, "zero": op.to.zero_point}


def requantize_d(op: RequantizeD, values, vector: Vector) -> Instruction:
    bias, scales = values
    m, e = op.multipliers(scales)
    place = {"at": vector(bias, np.int32), "second": vector(m, np.int32)}
    return {"op": Op.REQUANTIZE_D, **place, "third": vector(e, np.int32), **ends(op)}


def requantize_f(op: RequantizeF, values, vector: Vector) -> Instruction:
    bias, scales = values
    place = {"at": vector(bias, np.int32), "second": vector(op.ratios(scales))}
    return {"op": Op.REQUANTIZE_F, **place, **ends(op)}


def quantize_d(op: QuantizeD, values, vector: Vector) -> Instruction:
    return {"op": Op.QUANTIZE_D, "at": vector(np.float32(op.to.scale)), **ends(op)}


def quantize_f(op: QuantizeF, values, vector: Vector) -> Instruction:
    reciprocal = np.float32(1) / np.float32(op.to.scale)
    return {"op": Op.QUANTIZE_F, "at": vector(reciprocal), **ends(op)}


def byte(op: Byte, values, vector: Vector) -> Instruction:
    return {"op": Op.BYTE, "levels": op.place}


def requantize_wide(op: RequantizeWide, values, vector: Vector) -> Instruction:
    """Bias, m and t of each channel one after the other."""
    bias, scales = values
    parts = [vector(v) for v in (bias, *op.multipliers(scales))]
    place = {"second": np.concatenate(parts), "step": parts[0].nbytes}
    return {"op": Op.REQUANTIZE_WIDE, **place, **ends(op)}


def add_d(op: AddD, first: bool) -> Instruction:
    """Parameters: z, m, e and the sign of what is carried, of the other, m and e of the sum, and
    the bits that both are shifted by first."""
    (ma, mb, mo), (ea, eb, eo) = op.multipliers()
    a, b = (op.a.zero_point, ma, ea, 1), (op.b.zero_point, mb, eb, op.sign)
    parameters = (*(a + b if first else b + a), mo, eo, headroom(op.to))
    return {"op": Op.ADD_D, "second": np.array(parameters, np.int64), **ends(op)}


def add_f(op: AddF, first: bool) -> Instruction:
    """Parameters: z and m of what is carried, of the other, and the shift."""
    ma, mb, shift = op.multipliers()
    a, b = (op.a.zero_point, ma), (op.b.zero_point, mb)
    parameters = (*a, *b, shift) if first else (*b, *a, shift)
    return {"op": Op.ADD_F, "second": np.array(parameters, np.int64), **ends(op)}


def mul_codes(op: MulCodes, first: bool) -> Instruction:
    zeros = op.zeros if first else op.zeros[::-1]
    return {"op": Op.MUL_CODES, "second": np.array(zeros, np.int64)}


RULES: dict[type, Callable[..., Instruction]] = {
    Byte: byte,
    RequantizeD: requantize_d,
    RequantizeF: requantize_f,
    QuantizeD: quantize_d,
    QuantizeF: quantize_f,
    AddD: add_d,
    AddF: add_f,
    MulCodes: mul_codes,
    RequantizeWide: requantize_wide,
}
