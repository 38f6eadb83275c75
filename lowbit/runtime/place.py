"""Plans what puts values in new places: parts, borders, gaps, and rows picked by index."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lowbit.ir import Node
from lowbit.ir.ops import Embed, Pad, ResizeNearest, Slice, Spread
from lowbit.kernels.layout import DTYPES, Layout, pixel_bytes, whole
from lowbit.kernels.pick.reference import PICK
from lowbit.kernels.record import filled
from lowbit.runtime.fuse import Group
from lowbit.runtime.move import copied, strides
from lowbit.runtime.program import channels_of, pixels_of
from lowbit.runtime.step import Buffer, Place

if TYPE_CHECKING:
    from lowbit.runtime.plan import Plan


def reads(plan: "Plan", node: Node) -> Layout:
    return whole(plan.types[node.output].spec)


def reads_index(plan: "Plan", node: Node) -> Layout:
    return whole(plan.types[node.inputs[0]].spec)


def ends(plan: "Plan", node: Node) -> tuple[Layout, Buffer, Buffer]:
    layout = reads(plan, node)
    return layout, plan.held[node.inputs[0]][layout], plan.hold(node.output, layout)


def cut(plan: "Plan", group: Group) -> None:
    node, op = group.root, group.root.op
    assert isinstance(op, Slice)
    layout, source, target = ends(plan, node)
    item, shape = DTYPES[layout].itemsize, plan.types[node.output].shape
    from_ = strides(plan.types[node.inputs[0]].shape, item)
    steps = [s * (op.step if axis == op.axis else 1) for axis, s in enumerate(from_)]
    sides = list(zip(shape, steps, strides(shape, item), strict=True))
    place = (source, op.start * from_[op.axis])
    copied(plan, place, target, sides, item, (source.size, target.size), node)
    plan.rest(group)


def pad(plan: "Plan", group: Group) -> None:
    op = group.root.op
    assert isinstance(op, Pad)
    scatter(plan, group, op.value, [before for before, _ in op.padding], [1] * len(op.padding))


def spread(plan: "Plan", group: Group) -> None:
    op = group.root.op
    assert isinstance(op, Spread)
    scatter(plan, group, op.value, [0] * len(op.stride), op.stride)


def scatter(
    plan: "Plan", group: Group, value: int, before: Sequence[int], stride: Sequence[int]
) -> None:
    """Fills the result with `value`, then copies x to its places."""
    node = group.root
    layout, source, target = ends(plan, node)
    x, out, item = plan.types[node.inputs[0]], plan.types[node.output], DTYPES[layout].itemsize
    pixel = item * channels_of(out)
    fill = np.full(channels_of(out), value).astype(DTYPES[layout])
    everywhere = [(pixels_of(out), 0, pixel)]
    copied(plan, fill, target, everywhere, pixel, (0, target.size), f"{node.output} fill")
    to = strides(out.shape, item)
    steps = [s * t for s, t in zip((*stride, 1), to, strict=True)]
    sides = list(zip(x.shape, strides(x.shape, item), steps, strict=True))
    start = (target, sum(b * t for b, t in zip(before, to, strict=False)))
    copied(plan, source, start, sides, item, (source.size, target.size), node)
    plan.rest(group)


def embed(plan: "Plan", group: Group) -> None:
    node, kind = group.root, reads_index(plan, group.root)
    assert isinstance(node.op, Embed)
    index, table = plan.held[node.inputs[0]][kind], plan.types[node.inputs[1]]
    layout = reads(plan, node)
    assert table.value is not None
    rows = np.ascontiguousarray(table.value.astype(DTYPES[layout]))
    images: dict[str, Place] = {"source_image": 0, "index_image": index.size}
    pick(plan, group, rows, index, layout, {**images, "index_kind": kind})


def resize(plan: "Plan", group: Group) -> None:
    node, op = group.root, group.root.op
    assert isinstance(op, ResizeNearest)
    layout = reads(plan, node)
    source, sides = plan.held[node.inputs[0]][layout], plan.types[node.inputs[0]].shape[:-1]
    grid = np.meshgrid(*op.sources(sides), indexing="ij")
    index = np.ravel_multi_index(grid, sides).astype(np.int32).reshape(-1)
    images: dict[str, Place] = {"source_image": source.size, "index_image": 0}
    pick(plan, group, source, index, layout, {**images, "index_kind": Layout.INT})


def pick(plan: "Plan", group: Group, source: Place, index: Place, layout: Layout, images) -> None:
    node, out = group.root, plan.types[group.root.output]
    count = math.prod(out.shape[:-1])
    places = {"source": source, "index": index, "target": plan.hold(node.output, layout), **images}
    record = filled(PICK, count=count, bytes=pixel_bytes(layout, channels_of(out), out.spec))
    plan.step("pick", record, places, count, (), (node.output,), str(node.op))
    plan.rest(group)
