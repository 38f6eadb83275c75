"""Plans convolutions and linear layers."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lowbit.ir import Node, TensorType
from lowbit.ir.ops import Conv
from lowbit.kernels import cpu
from lowbit.kernels.layout import MAX_PLANES, Layout, whole, words
from lowbit.kernels.problem import ENDLESS, Problem
from lowbit.kernels.table import choose
from lowbit.runtime import move
from lowbit.runtime.direct import direct
from lowbit.runtime.fuse import Group
from lowbit.runtime.kernels import TABLES
from lowbit.runtime.measure import fastest, lined
from lowbit.runtime.move import two
from lowbit.runtime.program import pixels_of
from lowbit.runtime.step import Buffer, Place
from lowbit.spec import BINARY, QuantSpec

if TYPE_CHECKING:
    from lowbit.runtime.plan import Plan

# A word of 64 channels of one pair of planes costs about as much as so many byte products: measured
# where an instruction counts the bits of vectors (AVX-512), and where they are looked up (AVX2).
WORD_COSTS: tuple[tuple[frozenset[str], int], ...] = (
    (frozenset({"avx512f", "avx512vpopcntdq"}), 9),
    (frozenset(), 25),
)


def packable(spec: QuantSpec) -> bool:
    return 1 <= spec.bits <= MAX_PLANES and spec.step in (1, 2)


def table_of(x: TensorType, w: TensorType, groups: int) -> str:
    """The family of kernels for a product."""
    if x.spec is None or w.spec is None:
        return "float_conv"
    depth = w.shape[-1]
    if not (packable(x.spec) and packable(w.spec) and (groups == 1 or depth % 64 == 0)):
        return "int_conv"
    if x.spec == w.spec == BINARY:
        return "xnor_conv"
    pairs = x.spec.bits * w.spec.bits * words(depth)
    return "plane_conv" if pairs * word_cost() <= depth else "int_conv"


def word_cost() -> int:
    return next(cost for needs, cost in WORD_COSTS if needs <= cpu.features())


def family(plan: "Plan", node: Node) -> str:
    x, w = (plan.types[name] for name in node.inputs)
    return table_of(x, w, getattr(node.op, "groups", 1))


def reads(plan: "Plan", node: Node) -> Layout:
    x, w = (plan.types[name] for name in node.inputs)
    match family(plan, node):
        case "float_conv":
            return Layout.FLOAT
        case "int_conv":
            assert w.spec is not None
            return whole(x.spec) if w.spec.magnitude < 2**15 else Layout.INT
    return Layout.PLANES


def lower(plan: "Plan", group: Group) -> None:
    node, table, layout = group.root, family(plan, group.root), reads(plan, group.root)
    x, w = (plan.types[name] for name in node.inputs)
    problem, weights, source = (conv if isinstance(node.op, Conv) else linear)(plan, node, layout)
    units = pixels_of(plan.types[node.output])
    chosen = fastest(TABLES[table], problem, weights, units, plan.forced)
    kernel = chosen[0]
    assert kernel.pack is not None
    lanes = kernel.tile[1] if kernel.tile else 1
    packed = lined(kernel.pack(weights, w.spec, problem.groups))
    places: dict[str, Place] = {"x": source, "weights": packed, "block": lanes}
    places["zero"] = lined(problem.outside())
    if kernel.bias:
        places["bias"] = lined(kernel.bias(lanes, weights, x.spec, problem.groups))
    step = plan.window(table, problem, places, group, chosen)
    step.places |= direct(step.kernel, problem.outs, problem.groups, step.program)


def linear(plan: "Plan", node: Node, layout: Layout) -> tuple[Problem, np.ndarray, Buffer]:
    """All rows of all images make one endless row of pixels under a kernel of one."""
    x, w = (plan.types[name] for name in node.inputs)
    assert w.value is not None
    problem = Problem(x.shape[-1], len(w.value), x_spec=x.spec, w_spec=w.spec, layout=layout)
    return problem, w.value[:, None, None, :], plan.held[node.inputs[0]][layout]


def conv(plan: "Plan", node: Node, layout: Layout) -> tuple[Problem, np.ndarray, Buffer]:
    op, (x, w) = node.op, (plan.types[name] for name in node.inputs)
    assert isinstance(op, Conv)
    assert w.value is not None
    weights = w.value[:, None] if w.value.ndim == 3 else w.value
    source = plan.held[node.inputs[0]][layout]
    problem = Problem(
        x.shape[-1],
        len(weights),
        two(x.shape[:-1], 1),
        two(plan.types[node.output].shape[:-1], 1),
        weights.shape[1:3],
        two(op.stride, 1),
        two(op.padding, (0, 0)),
        two(op.dilation, 1),
        op.groups,
        x.spec,
        w.spec,
        layout,
    )
    if op.pad_value and any(map(any, problem.padding)):
        if pads(plan, node, problem):
            problem = replace(problem, pad_value=op.pad_value)
        else:
            source = move.pad(plan, node, layout, source, problem.sides, problem.padding)
            problem = replace(problem, sides=padded(problem), padding=((0, 0), (0, 0)))
    if problem.kernel == problem.stride == (1, 1) and not any(map(any, problem.padding)):
        row = (1, ENDLESS)  # as a linear layer: no row ever breaks a tile
        problem = replace(problem, sides=row, out=row)
    return problem, weights, source


def padded(problem: Problem) -> tuple[int, int]:
    (h, w), (rows, columns) = problem.sides, problem.padding
    return h + sum(rows), w + sum(columns)


def pads(plan: "Plan", node: Node, problem: Problem) -> bool:
    """Whether the kernel for the layer, one of which there is no choice, takes any codes from
    outside the image."""
    return problem.depthwise and choose(TABLES[family(plan, node)], problem, plan.forced).pads
