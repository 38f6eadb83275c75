"""Plans pooling."""

from dataclasses import replace
from typing import TYPE_CHECKING

from lowbit.ir import Node
from lowbit.ir.ops import AvgPool, MaxPool, Mean, MeanCodes
from lowbit.kernels.layout import Layout, whole
from lowbit.kernels.pool import bytes_rows_need
from lowbit.kernels.problem import Problem
from lowbit.runtime.fuse import Group
from lowbit.runtime.move import only_planes, two
from lowbit.runtime.program import channels_of, pixels_of
from lowbit.runtime.step import Buffer, Place
from lowbit.spec import BINARY

if TYPE_CHECKING:
    from lowbit.runtime.plan import Plan


KEPT = ("max_bits", "max_bytes")  # their kernels store what they read, without a program


def reads(plan: "Plan", node: Node) -> Layout:
    """Signs are pooled as words where nobody wants them otherwise."""
    spec = plan.types[node.inputs[0]].spec
    if isinstance(node.op, MaxPool) and spec == BINARY and only_planes(plan, node):
        return Layout.PLANES
    return whole(spec)


def lower(plan: "Plan", group: Group) -> None:
    node, layout = group.root, reads(plan, group.root)
    x, channels = plan.types[node.inputs[0]], channels_of(plan.types[node.inputs[0]])
    whole_image = Problem(channels, channels, groups=channels, x_spec=x.spec, layout=layout)
    places: dict[str, Place] = {"x": plan.held[node.inputs[0]][layout]}
    problem, table = geometry(plan, node, whole_image)
    if table == "max_pool" and not group.chain and not bytes_rows_need(problem):
        table = "max_bytes"
    if table == "mean":
        half = -(-pixels_of(x) // 2) * 4 * channels
        places |= {"work": Buffer(f"{node.output} work", half), "work_image": half}
    if table == "avg_pool":
        places["include_pad"] = getattr(node.op, "include_pad", 0)
    if table in KEPT:
        places["work"] = plan.hold(node.output, layout)
        units = pixels_of(plan.types[node.output])
        plan.step(table, problem, places, units, (), (node.output,), str(node.op))
        plan.rest(group)
        return
    plan.window(table, problem, places, group)


def geometry(plan: "Plan", node: Node, problem: Problem) -> tuple[Problem, str]:
    op, x = node.op, plan.types[node.inputs[0]]
    if isinstance(op, Mean):
        sides = (1, pixels_of(x))
        problem = replace(problem, sides=sides, out=(1, 1), kernel=sides)
        return problem, "mean" if x.spec is None else "avg_pool"
    assert isinstance(op, MaxPool | AvgPool | MeanCodes)
    problem = replace(
        problem,
        sides=two(x.shape[:-1], 1),
        out=two(plan.types[node.output].shape[:-1], 1),
        kernel=two(op.kernel, 1),
        stride=two(op.stride, 1),
        padding=two(op.padding, (0, 0)),
        dilation=two(getattr(op, "dilation", (1, 1)), 1),
    )
    if isinstance(op, MaxPool):
        return problem, "max_bits" if problem.layout is Layout.PLANES else "max_pool"
    return problem, "mean_codes" if isinstance(op, MeanCodes) else "avg_pool"
