r"""Sums, products and averages of codes as integer operators: ONNX then gives our codes to the bit.

Between quantize and dequantize nodes ONNX Runtime computes them in floats, with or without a fused
multiply-add as the processor has it. Here they are what lowbit/ir/ops/codes.py says, in int64,
whose division truncates; with a multiple of the divisor added, which comes off again, it floors:

    (t + h) >> k  =  (t + h + 2^k B) / 2^k - B,  B > |t + h| / 2^k.                             (1)
"""

import numpy as np

from lowbit.interchange.onnx_sheet import Order, TensorProto, geometry
from lowbit.interchange.onnx_write import codes
from lowbit.interchange.onnx_write.writer import Rule, Writer
from lowbit.ir import Node, ops
from lowbit.spec import INT8

LIFT = 2**31  # B of equation (1): what is shifted fits int32


def numbers(writer: Writer, name: str, order: Order, kind: int) -> str:
    """The codes of a tensor, in another type."""
    real, stem = writer.arranged(name, order), f"{name}.{''.join(map(str, order))}"
    if f"{stem}.codes" not in writer.written:
        writer.quantize(real, f"{stem}.codes", writer.codes(name), writer.types[name].spec or INT8)
    wide = f"{stem}.{kind}"
    return wide if wide in writer.written else writer.emit("Cast", [f"{stem}.codes"], wide, to=kind)


class Integers:
    """int64 arithmetic with constants, named after a node."""

    def __init__(self, writer: Writer, node: Node) -> None:
        self.writer, self.name, self.count = writer, node.output, 0

    def __call__(self, kind: str, *operands, **options) -> str:
        names = [o if isinstance(o, str) else self.constant(o) for o in operands]
        self.count += 1
        return self.writer.emit(kind, names, f"{self.name}.{self.count}", **options)

    def constant(self, value, dtype=np.int64) -> str:
        self.count += 1
        return self.writer.constant(f"{self.name}.c{self.count}", np.array(value, dtype))


def coded(writer: Writer, node: Node, made: str, order: Order) -> None:
    """int64 to the codes of the node's tensor."""
    writer.emit("Cast", [made], f"{node.output}.q", to=TensorProto.INT8)
    writer.order[node.output] = order
    writer.dequantize(node.output, f"{node.output}.q")


def add(writer: Writer, node: Node) -> None:
    """Equation (2) of codes.py."""
    op, compute = node.op, Integers(writer, node)
    assert isinstance(op, ops.AddF)
    order = writer.order[node.inputs[0]]
    a, b = (numbers(writer, name, order, TensorProto.INT64) for name in node.inputs)
    ma, mb, shift = op.multipliers()
    rest = (1 << (shift - 1)) + (LIFT << shift) - op.a.zero_point * ma - op.b.zero_point * mb
    total = compute("Add", compute("Mul", a, ma), compute("Mul", b, mb))
    total = compute("Div", compute("Add", total, rest), 1 << shift)
    moved = compute("Add", total, op.to.zero_point - LIFT)
    coded(writer, node, compute("Clip", moved, op.to.lo, op.to.hi), order)


def mean(writer: Writer, node: Node) -> None:
    """Sums by a convolution with ones, exact in float32, and a division that truncates."""
    op, compute = node.op, Integers(writer, node)
    assert isinstance(op, ops.MeanCodes)
    *sides, channels = writer.types[node.inputs[0]].shape
    order = (*range(1, len(sides) + 1), 0)
    x = numbers(writer, node.inputs[0], order, TensorProto.FLOAT)
    ones = compute.constant(np.ones((channels, 1, *op.kernel)), np.float32)
    options = geometry(op.stride, op.padding, op.kernel)
    sums = compute("Conv", x, ones, group=channels, **options)
    total = compute("Cast", sums, to=TensorProto.INT64)
    inside = np.ones((1, *sides, 1), np.int8)
    count = ops.AvgPool(op.kernel, op.stride, op.padding, 0).window_sums(inside)[0, ..., 0]
    half = count[None, None] // 2
    nudge = compute("Where", compute("Greater", total, 0), half, -half)
    coded(writer, node, compute("Div", compute("Add", total, nudge), count[None, None]), order)


def requantize(writer: Writer, node: Node) -> None:
    """Equation (2) of requantize.py behind a product of two tensors; others are exact already."""
    source = writer.made.get(node.inputs[0])
    if source is None or not isinstance(source.op, ops.MulCodes | ops.MatMul):
        codes.requantize(writer, node)
        return
    op, compute = node.op, Integers(writer, node)
    assert isinstance(op, ops.RequantizeF)
    matrices = isinstance(source.op, ops.MatMul)
    order = writer.order[source.inputs[0]]
    order = tuple(range(len(order))) if matrices else order
    a, b = (
        compute(
            "Sub", numbers(writer, name, order, TensorProto.INT32), compute.constant(zero, np.int32)
        )
        for name, zero in zip(source.inputs, source.op.zeros, strict=True)
    )
    total = compute("Cast", compute("MatMul" if matrices else "Mul", a, b), to=TensorProto.FLOAT)
    ratio = op.ratios(writer.graph.constant(node.inputs[2])).reshape(-1)[0]
    scaled = compute("Mul", total, compute.constant(ratio, np.float32))
    _, zero, *ends = op.to
    limits = [compute.constant(end - zero, np.float32) for end in ends]
    rounded = compute("Round", compute("Clip", scaled, *limits))
    coded(writer, node, compute("Add", rounded, compute.constant(zero, np.float32)), order)


RULES: dict[type, Rule] = {ops.AddF: add, ops.MeanCodes: mean, ops.RequantizeF: requantize}
