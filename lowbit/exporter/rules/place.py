"""Padding, resizing and transposed convolution: values in new places."""

import numpy as np
import torch
from torch.fx import Node

from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import Lowering, Value, rule
from lowbit.exporter.rules.product import finish, padding_arguments, tupled, weight_constant
from lowbit.ir import ops

aten = torch.ops.aten
NEAREST = (aten.upsample_nearest2d.vec, aten.upsample_nearest1d.vec)
BILINEAR = (aten.upsample_bilinear2d.vec, aten.upsample_linear1d.vec)


@rule(aten.pad.default)
def pad(lowering: Lowering, node: Node) -> Value:
    return padded(lowering, node, lowering.value(node.args[0]), padding_arguments(node)[1])


def padded(lowering: Lowering, node: Node, value: Value, number: int) -> Value:
    """With `number` around every side but the channels'."""
    value = lowering.channels_last(value, node)
    _, _, ends = padding_arguments(node)
    rank = len(value.axes)
    every = ((0, 0),) * (rank - len(ends)) + ends
    if len(every) != rank or any(every[0]):
        raise refuse(node, "batch and channels are not padded")
    return lowering.emit(ops.Pad(every[1:], number), (value,), value.axes, node)


@rule(*NEAREST)
def nearest(lowering: Lowering, node: Node) -> Value:
    value = lowering.channels_last(lowering.value(node.args[0]), node)
    op = ops.ResizeNearest(tuple(node.meta["val"].shape[2:]))
    for axis, places in enumerate(op.sources(value.shape[:-1])):
        if not np.array_equal(places, torchs_places(node, axis, value.shape[axis])):
            raise refuse(node, "it takes other pixels than floor(i side / n): give it a size")
    return lowering.emit(op, (value,), value.axes, node)


def torchs_places(node: Node, axis: int, side: int) -> np.ndarray:
    """Which place torch takes each place from, along one axis."""
    sides = [1, 1, *node.meta["val"].shape[2:]]
    shape = [1, 1, *node.args[0].meta["val"].shape[2:]]
    view = [1] * len(shape)
    view[axis + 2] = side
    ramp = torch.arange(side, dtype=torch.float32).view(view).expand(shape)
    taken = node.target(ramp, *node.args[1:])
    first = tuple(slice(None) if i == axis + 2 else 0 for i in range(len(sides)))
    return taken[first].numpy().astype(np.int64)


@rule(*BILINEAR)
def bilinear(lowering: Lowering, node: Node) -> Value:
    """A product with torch's own weights along each side."""
    lowering.note(node, "interpolates in another order than torch's: the last bits differ")
    value = lowering.value(node.args[0])
    rank = len(value.axes)
    for axis in range(1, rank):
        value = lowering.arrange(value, (*(a for a in value.axes if a != axis), axis), node)
        weights = interpolation(node, axis - 1, value.shape[-1])
        name = lowering.constant(weights, None, f"{node.name}.weights")
        value = lowering.emit(ops.Linear(), (value, name), value.axes, node)
    return value


def interpolation(node: Node, axis: int, side: int) -> np.ndarray:
    """(new side, side): what torch makes of each unit vector along one axis."""
    new = node.meta["val"].shape[2 + axis]
    shape = [side, 1, *(1 if i != axis else side for i in range(len(node.meta["val"].shape) - 2))]
    unit = torch.eye(side).view(shape)
    corners = node.args[2]
    scales = (*node.args, None)[3]
    sides = [1] * (len(shape) - 2)
    sides[axis] = new
    if scales is not None:
        scales = [scales[i] if i == axis else 1.0 for i in range(len(sides))]
        return node.target(unit, None, corners, scales).reshape(side, new).T.numpy()
    return node.target(unit, sides, corners, None).reshape(side, new).T.numpy()


TRANSPOSED = (aten.conv_transpose2d.input, aten.conv_transpose1d.default)


def transposed_arguments(node: Node) -> tuple:
    """x, w, bias, stride, padding, output padding, groups, dilation, all given."""
    given = (*node.args, *[None] * (8 - len(node.args)))
    defaults = (None, None, None, 1, 0, 0, 1, 1)
    return tuple(d if g is None else g for g, d in zip(given, defaults, strict=True))


def turned(w: np.ndarray, groups: int) -> np.ndarray:
    """A transposed convolution's weights (C, O / g, *kernel) as a convolution's (O, *kernel,
    C / g): taps reversed, inputs and outputs exchanged within each group."""
    ins, outs, *kernel = w.shape
    w = w.reshape(groups, ins // groups, outs, *kernel).swapaxes(1, 2)
    w = np.flip(w, tuple(range(3, w.ndim))).reshape(groups * outs, ins // groups, *kernel)
    return np.moveaxis(w, 1, -1)


def windows(node: Node, kernel) -> tuple[tuple[int, ...], tuple, tuple[int, ...]]:
    """The gaps between inputs, the padding of the convolution over them, and its dilation."""
    _, _, _, stride, padding, extra, _, dilation = transposed_arguments(node)
    n = len(kernel)
    stride, padding, extra, dilation = (tupled(v, n) for v in (stride, padding, extra, dilation))
    pads = tuple(
        (d * (k - 1) - p, d * (k - 1) - p + e)
        for k, p, e, d in zip(kernel, padding, extra, dilation, strict=True)
    )
    if any(b < 0 or a < 0 for b, a in pads):
        raise refuse(node, "its padding reaches beyond its kernel")
    return stride, pads, dilation


def stretched(lowering: Lowering, node: Node, value: Value, stride, number: int) -> Value:
    value = lowering.channels_last(value, node)
    if set(stride) == {1}:
        return value
    return lowering.emit(ops.Spread(stride, number), (value,), value.axes, node)


@rule(*TRANSPOSED)
def conv_transpose(lowering: Lowering, node: Node) -> Value:
    x, w, bias, *_ = transposed_arguments(node)
    groups = transposed_arguments(node)[6]
    kernel = tuple(w.meta["val"].shape[2:])
    stride, pads, dilation = windows(node, kernel)
    weight = weight_constant(lowering, node, w, lambda array: turned(array, groups))
    value = stretched(lowering, node, lowering.value(x), stride, 0)
    op = ops.Conv((1,) * len(kernel), pads, dilation, groups)
    out = lowering.emit(op, (value, weight), value.axes, node)
    return finish(lowering, node, out, (value, weight), bias)
