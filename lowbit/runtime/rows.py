"""Plans reductions over rows, and products of two tensors."""

import math
from typing import TYPE_CHECKING

from lowbit.ir import Node
from lowbit.ir.ops import MatMul, Max, SoftmaxD, SoftmaxF, Sum
from lowbit.kernels.halve.reference import HALVE
from lowbit.kernels.layout import Layout, whole
from lowbit.kernels.limit import Limit
from lowbit.kernels.matmul.reference import MATMUL
from lowbit.kernels.record import filled
from lowbit.kernels.softmax.reference import SOFTMAX
from lowbit.runtime.fuse import Group
from lowbit.runtime.step import Buffer, Place

if TYPE_CHECKING:
    from lowbit.runtime.plan import Plan


def reads(plan: "Plan", node: Node) -> Layout:
    return Layout.FLOAT


def halve(plan: "Plan", group: Group) -> None:
    node = group.root
    assert isinstance(node.op, Max | Sum)
    x = plan.types[node.inputs[0]].shape
    rows, length = math.prod(x[: -node.op.axes]), math.prod(x[-node.op.axes :])
    work = Buffer(f"{node.output} work", 4 * rows * -(-length // 2))
    record = filled(HALVE, length=length, largest=isinstance(node.op, Max))
    places: dict[str, Place] = {
        "x": plan.held[node.inputs[0]][Layout.FLOAT],
        "out": plan.hold(node.output, Layout.FLOAT),
        "work": work,
    }
    plan.step("halve", record, places, rows, (), (node.output,), str(node.op))
    plan.rest(group)


def reads_pair(plan: "Plan", node: Node) -> Layout:
    """Floats as soon as one is; codes in one layout that holds both."""
    specs = [plan.types[name].spec for name in node.inputs]
    if None in specs:
        return Layout.FLOAT
    layouts = {whole(spec) for spec in specs}
    return layouts.pop() if len(layouts) == 1 else Layout.INT


def matmul(plan: "Plan", group: Group) -> None:
    node, layout = group.root, reads_pair(plan, group.root)
    assert isinstance(node.op, MatMul)
    for name in node.inputs:
        if plan.types[name].value is not None:
            raise Limit(f"{node}: an operand is a constant")
    *pairs, rows, depth = plan.types[node.inputs[0]].shape
    width = plan.types[node.inputs[1]].shape[-1]
    kinds = {"a_kind": layout, "b_kind": layout, "zero_a": node.op.zeros[0]}
    record = filled(MATMUL, rows=rows, depth=depth, width=width, zero_b=node.op.zeros[1], **kinds)
    target = Layout.FLOAT if layout is Layout.FLOAT else Layout.INT
    a, b = (plan.held[name][layout] for name in node.inputs)
    places: dict[str, Place] = {"a": a, "b": b, "out": plan.hold(node.output, target)}
    units = math.prod(pairs) * rows
    plan.step("matmul", record, places, units, (), (node.output,), str(node.op))
    plan.rest(group)


def reads_bytes(plan: "Plan", node: Node) -> Layout:
    return Layout.BYTE


def softmax(plan: "Plan", group: Group) -> None:
    node = group.root
    assert isinstance(node.op, SoftmaxD | SoftmaxF)
    *rows, length = plan.types[node.output].shape
    record = filled(SOFTMAX, length=length, floating=isinstance(node.op, SoftmaxF))
    places: dict[str, Place] = {
        "x": plan.held[node.inputs[0]][Layout.BYTE],
        "out": plan.hold(node.output, Layout.BYTE),
        "table": node.op.table(),
    }
    plan.step("softmax", record, places, math.prod(rows), (), (node.output,), str(node.op))
    plan.rest(group)
