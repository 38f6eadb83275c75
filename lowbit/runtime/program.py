"""Chains of elementwise nodes to the instructions of a program."""

from collections.abc import Callable, Sequence

import numpy as np

from lowbit.ir import Node, TensorType
from lowbit.ir.ops import (
    Abs,
    Add,
    Clamp,
    Div,
    Exp,
    Lookup,
    Mul,
    PRelu,
    Relu,
    Sigmoid,
    Sqrt,
    Sub,
    Threshold,
)
from lowbit.kernels.layout import Layout, pixel_bytes
from lowbit.kernels.limit import Limit
from lowbit.kernels.program import EAGER, Op
from lowbit.kernels.program.steps import between_ends
from lowbit.runtime import eight_bit, uniform
from lowbit.runtime.step import Buffer, Place
from lowbit.spec import QuantSpec

Instruction = dict[str, Place]
ARITHMETIC = {Add: Op.ADD, Sub: Op.SUB, Mul: Op.MUL, Div: Op.DIV}
REVERSED = {Sub: Op.SUB_FROM, Div: Op.DIV_FROM}
FUNCTIONS = {Relu: Op.RELU, Abs: Op.ABS, Sqrt: Op.SQRT, Exp: Op.EXP, Sigmoid: Op.SIGMOID}
PADDING = 64  # lanes that a vector may read past the last channel

STORES = {
    Layout.FLOAT: Op.STORE_WORD,
    Layout.INT: Op.STORE_WORD,
    Layout.BYTE: Op.STORE_BYTE,
    Layout.UBYTE: Op.STORE_BYTE,
    Layout.PLANES: Op.STORE_PLANES,
}
LOADS = {
    Layout.FLOAT: Op.LOAD_WORD,
    Layout.INT: Op.LOAD_WORD,
    Layout.BYTE: Op.LOAD_BYTE,
    Layout.UBYTE: Op.LOAD_UBYTE,
    Layout.PLANES: Op.LOAD_PLANES,
}


def channels_of(type_: TensorType) -> int:
    return type_.shape[-1] if type_.shape else 1


def pixels_of(type_: TensorType) -> int:
    return int(np.prod(type_.shape[:-1], dtype=np.int64))


def tensor(op: Op, buffer: Buffer, layout: Layout, type_: TensorType) -> Instruction:
    """A load or a store of a whole tensor."""
    spec, channels = type_.spec, channels_of(type_)
    planes: Instruction = {}
    if layout is Layout.PLANES:
        assert spec is not None
        planes = {"lo": spec.lo, "step": spec.step, "planes": spec.bits}
    row = pixel_bytes(layout, channels, spec)
    return {"op": op, "at": buffer, "row": row, "channels": channels, **planes}


def load(buffer: Buffer, layout: Layout, type_: TensorType) -> Instruction:
    return tensor(LOADS[layout], buffer, layout, type_)


def store(buffer: Buffer, layout: Layout, type_: TensorType) -> Instruction:
    as_float = layout is Layout.FLOAT and type_.spec is not None
    return tensor(Op.STORE_AS_FLOAT if as_float else STORES[layout], buffer, layout, type_)


def vector(values: np.ndarray | float, channels: int, dtype=np.float32) -> np.ndarray:
    """A constant a channel, with padding for the last vector's lanes."""
    padded = np.zeros(channels + PADDING, dtype)
    padded[:channels] = values
    return padded


Operand = Callable[[Node, str], Instruction]


def step_of(node: Node, carried: str, types, operand: Operand) -> list[Instruction]:
    """One node; `operand` says where its other operand lies."""
    op, channels = node.op, channels_of(types[node.output])
    widen: list[Instruction] = []
    if types[carried].spec is not None and types[node.output].spec is None:
        widen = [{"op": Op.TO_FLOAT}]
    if type(op) in ARITHMETIC:
        reverse = type(op) in REVERSED and node.inputs[0] != carried
        other = node.inputs[0] if node.inputs[0] != carried else node.inputs[1]
        code = (REVERSED if reverse else ARITHMETIC)[type(op)]
        return [*widen, {"op": code, **operand(node, other)}]
    if type(op) in FUNCTIONS:
        return [*widen, {"op": FUNCTIONS[type(op)]}]
    if type(op) in eight_bit.RULES:
        return [eight_bit.instruction(node, carried, types, operand, vector)]
    values = [types[name].value for name in node.inputs[1:]]
    match op:
        case Clamp():
            low, high = vector(op.lo, channels), vector(op.hi, channels)
            return [*widen, {"op": Op.CLAMP, "at": low, "second": high}]
        case PRelu():
            return [*widen, {"op": Op.PRELU, "at": vector(values[0], channels)}]
        case Threshold():
            return [threshold(op, types[carried].spec, values[0], values[1], channels)]
        case Lookup():
            table = np.ascontiguousarray(values[0], np.int32)
            rows, levels = table.shape
            by_channel = int(rows > 1)
            row: Instruction = {"levels": levels, "by_channel": by_channel, "lo": op.start}
            return [{"op": Op.LOOKUP, "at": table, **row}]
    raise Limit(f"{node}: no instruction")


def threshold(
    op: Threshold, reach: QuantSpec | None, t: np.ndarray, falling: np.ndarray, channels: int
) -> Instruction:
    levels, down = t.shape[1], np.asarray(falling) == 1
    floating = t.dtype == np.float32
    t = t.astype(np.float32 if floating else np.int32)
    spread: Instruction = {
        "second": vector(np.where(down, op.lo + op.step * levels, op.lo), channels, np.int32),
        "third": vector(np.where(down, -op.step, op.step), channels, np.int32),
        "levels": levels,
    }
    if levels > EAGER:
        return {**many_levels(t, reach, channels), **spread}
    rows = np.stack([vector(column, channels, t.dtype) for column in t.T])
    compare = Op.THRESHOLD_FLOAT if floating else Op.THRESHOLD_INT
    return {"op": compare, "at": rows, "channels": rows.shape[1], **spread}


ROUNDED = {Op.STEPS_NEAREST: uniform.product, Op.STEPS_QUOTIENT: uniform.quotient}


def many_levels(t: np.ndarray, reach: QuantSpec | None, channels: int) -> Instruction:
    """The fastest of the instructions that count these thresholds, all of them exact."""
    floating = t.dtype == np.float32
    if found := uniform.line(t):
        a, b = (vector(part, channels) for part in found)
        code = Op.STEPS_FLOAT if floating else Op.STEPS_INT
        return {"op": code, "at": np.concatenate([a, b]), "lo": a.nbytes}
    for code, find in ROUNDED.items():
        if (scale := find(t)) is not None:
            return {"op": code, "at": vector(scale, channels)}
    by_channel = int(len(t) > 1)
    if about := uniform.near(t, reach):
        return guessed(t, about, channels)
    code = Op.SEARCH_FLOAT if floating else Op.SEARCH_INT
    return {"op": code, "at": np.ascontiguousarray(t), "by_channel": by_channel}


def guessed(t: np.ndarray, line: tuple[np.ndarray, np.ndarray], channels: int) -> Instruction:
    """One block: the lines, where in it each channel's row of thresholds starts (for the padding
    of the last vector, with the first), and the rows."""
    rows, by_channel = between_ends(t), int(len(t) > 1)
    starts = np.arange(channels) * rows.shape[1] * by_channel
    a, b = (vector(part, channels) for part in line)
    parts = [a, b, vector(starts, channels, np.int32), rows]
    ends = np.cumsum([part.nbytes for part in parts])
    block = np.frombuffer(b"".join(part.tobytes() for part in parts), np.uint8)
    offsets = {"lo": int(ends[0]), "zero": int(ends[1]), "hi": int(ends[2])}
    code = Op.NEAR_FLOAT if t.dtype == np.float32 else Op.NEAR_INT
    return {"op": code, "at": block, "by_channel": by_channel, **offsets}


def names(program: Sequence[Instruction]) -> str:
    return " ".join(Op(int(i["op"])).name.lower() for i in program)  # type: ignore[arg-type]
