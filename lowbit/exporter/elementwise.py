"""Operations that act on each element alone, and whether they keep the order of their inputs.

Between an accumulator and the next quantizer lies a chain of these. If each is monotone, so is
the chain (rounding to float32 keeps order, fused or not), and thresholds can be bisected. An
operation whose order is not known structurally (NaN in its direction) is checked exhaustively.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

aten = torch.ops.aten
UP, DOWN, UNKNOWN = 1.0, -1.0, float("nan")
Direction = Callable[..., Tensor | float]


@dataclass(frozen=True)
class Elementwise:
    """`direction(*args)` is the sign of the slope, one a channel or one for all."""

    direction: Direction


def rises(*_args) -> float:
    return UP


def falls(*_args) -> float:
    return DOWN


def unknown(*_args) -> float:
    return UNKNOWN


def as_addend(x, y, *_args) -> float:
    return UP


def as_difference(x, y, *_args) -> float:
    return UP if is_data(x) else DOWN


def as_factor(x, y, *_args) -> Tensor | float:
    return sign(y if is_data(x) else x)


def as_quotient(x, y, *_args) -> Tensor | float:
    return sign(y) if is_data(x) else UNKNOWN


def as_batch_norm(x, weight, *_args) -> Tensor | float:
    return UP if weight is None else sign(weight)


def as_prelu(x, slope, *_args) -> Tensor | float:
    return torch.where(slope >= 0, UP, UNKNOWN)


def as_leaky(x, slope=0.01, *_args) -> float:
    return UP if slope >= 0 else UNKNOWN


def sign(constant) -> Tensor | float:
    """A zero slope makes a constant, which is as good as rising."""
    c = torch.as_tensor(constant, dtype=torch.float32)
    return torch.where(c >= 0, UP, DOWN)


class Data:
    """Stands for the element in an argument list."""


DATA = Data()


def is_data(x) -> bool:
    return x is DATA


ELEMENTWISE: dict[object, Elementwise] = {
    aten.add.Tensor: Elementwise(as_addend),
    aten.add_.Tensor: Elementwise(as_addend),
    aten.sub.Tensor: Elementwise(as_difference),
    aten.rsub.Scalar: Elementwise(falls),
    aten.mul.Tensor: Elementwise(as_factor),
    aten.mul_.Tensor: Elementwise(as_factor),
    aten.div.Tensor: Elementwise(as_quotient),
    aten.neg.default: Elementwise(falls),
    aten.batch_norm.default: Elementwise(as_batch_norm),
    aten.relu.default: Elementwise(rises),
    aten.relu_.default: Elementwise(rises),
    aten.relu6.default: Elementwise(rises),
    aten.relu6_.default: Elementwise(rises),
    aten.hardtanh.default: Elementwise(rises),
    aten.hardtanh_.default: Elementwise(rises),
    aten.clamp.default: Elementwise(rises),
    aten.clamp_min.default: Elementwise(rises),
    aten.clamp_max.default: Elementwise(rises),
    aten.prelu.default: Elementwise(as_prelu),
    aten.leaky_relu.default: Elementwise(as_leaky),
    aten.leaky_relu_.default: Elementwise(as_leaky),
    aten.round.default: Elementwise(rises),
    aten.floor.default: Elementwise(rises),
    aten.abs.default: Elementwise(unknown),
    # Vectorised approximations: each may step back by a unit in the last place.
    aten.tanh.default: Elementwise(unknown),
    aten.sigmoid.default: Elementwise(unknown),
    aten.hardsigmoid.default: Elementwise(unknown),
    aten.hardswish.default: Elementwise(unknown),
    aten.hardswish_.default: Elementwise(unknown),
    aten.silu.default: Elementwise(unknown),
    aten.silu_.default: Elementwise(unknown),
    aten.gelu.default: Elementwise(unknown),
    aten.elu.default: Elementwise(unknown),
    torch.ops.lowbit.snap.default: Elementwise(rises),
}

IDENTITY = {
    aten.to.dtype,
    aten.to.device,
    aten._to_copy.default,
    aten.detach.default,
    aten.detach_.default,
    aten.contiguous.default,
    aten.clone.default,
    aten.alias.default,
    aten.dropout.default,
    aten.feature_dropout.default,
}
DROPOUT = {aten.dropout.default, aten.feature_dropout.default}


def data_argument(node: Node, constants: dict[Node, Tensor]) -> Node | None:
    """The one operand of an elementwise or identity node that depends on the input, or None."""
    if node.target not in ELEMENTWISE and not is_identity(node):
        return None
    moving: list[Node] = []
    torch.fx.map_arg(node.args, lambda n: n in constants or moving.append(n))
    return moving[0] if len(moving) == 1 else None


def is_identity(node: Node) -> bool:
    """Moves a tensor about without changing its value (a cast from bytes to float32 included)."""
    active = node.target in DROPOUT and node.args[2]
    return node.target in IDENTITY and node.meta["val"].dtype == torch.float32 and not active


def arguments(node: Node, data, constants: dict[Node, Tensor]) -> tuple:
    """The node's arguments with `data` in its data operand's place and constants as tensors."""
    return torch.fx.map_arg(node.args, lambda n: constants.get(n, data))


def apply(node: Node, x: Tensor, constants: dict[Node, Tensor]) -> Tensor:
    """Runs the operation itself, as torch would."""
    if node.target in IDENTITY:
        return x
    return node.target(*arguments(node, x.clone(), constants), **node.kwargs)


def direction(node: Node, constants: dict[Node, Tensor]) -> np.ndarray:
    """+1, -1 or NaN, in the shape () or of the constant's channels."""
    if node.target in IDENTITY:
        return np.full(1, UP, np.float32)
    if node.kwargs.get("alpha", 1) != 1:
        return np.full(1, UNKNOWN, np.float32)
    found = ELEMENTWISE[node.target].direction(*arguments(node, DATA, constants))
    return torch.as_tensor(found, dtype=torch.float32).numpy().reshape(-1)


def channel_axis(node: Node, constants: dict[Node, Tensor]) -> tuple[int | None, int]:
    """The feature axis (the batch not counted) along which the constants vary, and its length.

    (None, 1) if they are the same everywhere; (-1, 0) if they vary along several axes.
    """
    rank = node.meta["val"].ndim - 1
    if node.target is aten.batch_norm.default:
        return 0, node.meta["val"].shape[1]
    if node.target is aten.prelu.default:
        length = constants[node.args[1]].numel()
        return (0, length) if length > 1 else (None, 1)
    sides: dict[int, int] = {}
    for operand in node.all_input_nodes:
        if operand in constants:
            shape = tuple(constants[operand].shape)
            if len(shape) > rank and shape[0] != 1:
                return -1, 0
            tail = shape[-rank:] if rank else ()
            offset = rank - len(tail)
            sides.update({offset + i: s for i, s in enumerate(tail) if s > 1})
    if len(sides) > 1:
        return -1, 0
    return next(iter(sides.items()), (None, 1))
