"""Plans what moves values without changing them, in whole words where operands are packed."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lowbit.ir import Node, TensorType
from lowbit.ir.ops import Concat, Conv, Transpose
from lowbit.kernels import layout as layouts
from lowbit.kernels.copy.record import copy
from lowbit.kernels.layout import DTYPES, Layout, pixel_bytes, whole, words
from lowbit.kernels.limit import Limit
from lowbit.runtime.fuse import Group
from lowbit.runtime.program import channels_of
from lowbit.runtime.step import Buffer, Place

if TYPE_CHECKING:
    from lowbit.runtime.plan import Plan

Sides = list[tuple[int, int, int]]  # length, source stride and target stride in bytes


def two(values: Sequence, fill: object) -> Any:
    """One-dimensional windows become two-dimensional ones, of height one."""
    return (fill, *values) if len(values) == 1 else tuple(values)


def only_planes(plan: "Plan", node: Node) -> bool:
    return plan.wants.get(node.output) == [Layout.PLANES]


def reads(plan: "Plan", node: Node) -> Layout:
    return Layout.PLANES if moves_planes(plan, node) else whole(plan.types[node.output].spec)


def moves_planes(plan: "Plan", node: Node) -> bool:
    """Whether the words of packed operands can be moved as they are."""
    ins, out = [plan.types[name] for name in node.inputs], plan.types[node.output]
    if not only_planes(plan, node) or any(t.spec != out.spec for t in ins):
        return False
    last = len(out.shape) - 1
    aligned = all(channels_of(t) % 64 == 0 for t in (*ins, out))
    match node.op:
        case Concat(axis=axis):
            return axis != last or aligned
        case Transpose(permutation=axes):
            return axes[-1] == last
    assert out.spec is not None
    return channels_of(ins[0]) == channels_of(out) or (aligned and out.spec.bits == 1)


def reshape(plan: "Plan", group: Group) -> None:
    node, layout = group.root, reads(plan, group.root)
    plan.hold(node.output, layout, plan.held[node.inputs[0]][layout])
    plan.rest(group)


def transpose(plan: "Plan", group: Group) -> None:
    node, layout = group.root, reads(plan, group.root)
    assert isinstance(node.op, Transpose)
    x, item = stored_shape(plan.types[node.inputs[0]], layout), DTYPES[layout].itemsize
    axes = (*node.op.permutation, *range(len(node.op.permutation), len(x)))
    source, target = plan.held[node.inputs[0]][layout], plan.hold(node.output, layout)
    from_, to = strides(x, item), strides([x[a] for a in axes], item)
    sides = [(x[a], from_[a], to[i]) for i, a in enumerate(axes)]
    copied(plan, source, target, sides, item, (source.size, target.size), node)
    plan.rest(group)


def concat(plan: "Plan", group: Group) -> None:
    node, layout = group.root, reads(plan, group.root)
    assert isinstance(node.op, Concat)
    out, target = plan.types[node.output], plan.hold(node.output, layout)
    shape, item, start = stored_shape(out, layout), DTYPES[layout].itemsize, 0
    to = strides(shape, item)
    # The planes of a pixel come before its words: channels are the very last axis.
    axis = node.op.axis if node.op.axis < len(out.shape) - 1 else len(shape) - 1
    for name in node.inputs:
        x, source = stored_shape(plan.types[name], layout), plan.held[name][layout]
        sides = list(zip(x, strides(x, item), to, strict=True))
        place = (target, start * to[axis])
        copied(plan, source, place, sides, item, (source.size, target.size), node)
        start += x[axis]
    plan.rest(group)


def spread(plan: "Plan", name: str, like: str, layout: Layout = Layout.FLOAT) -> str:
    """The name of a new tensor: `name` in a layout, repeated to the shape of `like`."""
    x, shape, new = plan.types[name], plan.types[like].shape, f"{name} as {like}"
    if len(x.shape) != len(shape):
        raise Limit(f"{like}: {x} would broadcast across the batch")
    item = DTYPES[layout].itemsize
    plan.types[new] = TensorType(shape, None if layout is Layout.FLOAT else x.spec)
    plan.want(name, layout)
    plan.complete(name)
    source, target = plan.held[name][layout], plan.hold(new, layout)
    steps = strides(x.shape, item)
    once = [0 if side == 1 else step for side, step in zip(x.shape, steps, strict=True)]
    sides = list(zip(shape, once, strides(shape, item), strict=True))
    copied(plan, source, target, sides, item, (source.size, target.size), new)
    return new


def pad(plan: "Plan", node: Node, layout: Layout, source: Buffer, sides, padding) -> Buffer:
    """A copy of a convolution's input with a border of its pad value."""
    x = plan.types[node.inputs[0]]
    assert isinstance(node.op, Conv)
    pixel = pixel_bytes(layout, channels_of(x), x.spec)
    codes = np.full(channels_of(x), node.op.pad_value)
    if layout is Layout.PLANES:
        assert x.spec is not None
        border = layouts.pack(codes, x.spec)
    else:
        border = codes.astype(DTYPES[layout])
    h, w = (s + sum(ends) for s, ends in zip(sides, padding, strict=True))
    name = f"{node.inputs[0]} padded"
    target = Buffer(name, h * w * pixel, layout)
    for start, count, step, size in border_parts(sides, padding):
        part = np.tile(border.reshape(-1), size)
        places = [(count, 0, step * pixel)]
        copied(plan, part, (target, start * pixel), places, size * pixel, (0, target.size), name)
    inside = [(sides[0], sides[1] * pixel, w * pixel), (sides[1], pixel, pixel)]
    begin = (target, (padding[0][0] * w + padding[1][0]) * pixel)
    copied(plan, source, begin, inside, pixel, (source.size, target.size), name)
    return target


def border_parts(sides, padding) -> Iterator[tuple[int, int, int, int]]:
    """The pixels of a border that lie together: the first place, how many such parts, how far from
    one to the next, and the pixels of each. The right end of a row meets the left of the next."""
    (rows, columns), ((top, bottom), (left, right)) = sides, padding
    w = left + columns + right
    head, tail, last = top * w + left, bottom * w + right, (top + rows) * w - right
    ends = [(0, 2, last, head)] if head == tail else [(0, 1, 0, head), (last, 1, 0, tail)]
    for part in (*ends, (head + columns, rows - 1, w, left + right)):
        if part[1] * part[3]:
            yield part


def copied(
    plan: "Plan",
    source: Place,
    target: Place,
    sides: Sides,
    item: int,
    images: tuple[int, int],
    what: Node | str,
) -> None:
    """A copy step; `images` are the bytes from an image to the next."""
    record = copy(sides, item)
    places = {"source": source, "target": target}
    places |= {"source_image": images[0], "target_image": images[1]}
    nodes = (what.output,) if isinstance(what, Node) else ()
    title = str(what.op) if isinstance(what, Node) else what
    plan.step("copy", record, places, int(record["n0"][0]), (), nodes, title)


def stored_shape(type_: TensorType, layout: Layout) -> tuple[int, ...]:
    if layout is not Layout.PLANES:
        return type_.shape
    assert type_.spec is not None
    return (*type_.shape[:-1], type_.spec.bits, words(type_.shape[-1]))


def strides(shape: Sequence[int], item: int) -> tuple[int, ...]:
    return tuple(item * math.prod(shape[i + 1 :]) for i in range(len(shape)))
