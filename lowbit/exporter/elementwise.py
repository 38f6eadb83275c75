"""Operations that act on each element alone, and whether they keep the order of their inputs.

Between an accumulator and the next quantizer lies a chain of these. If each is monotone, so is
the chain (rounding to float32 keeps order, fused or not), and thresholds can be bisected. An
operation whose order is not known structurally (NaN for its slope) is checked exhaustively.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from lowbit.nn.stated import exp_op, sigmoid_op, sqrt_op
from lowbit.quant.snap import snap_op

aten = torch.ops.aten
UP, DOWN, UNKNOWN = (torch.tensor([value]) for value in (1.0, -1.0, float("nan")))


@dataclass(frozen=True)
class Slope:
    """What stands for a moving operand: +1 rising, -1 falling, NaN not known; for all channels,
    (1,), or for each."""

    of: Tensor


Rule = Callable[..., Tensor]


def rises(x, *_rest) -> Tensor:
    """In its first operand; in another, which is a bound or a threshold, it is not known."""
    return x.of if isinstance(x, Slope) else UNKNOWN


def falls(x, *_rest) -> Tensor:
    return -rises(x)


def unknown(*_args) -> Tensor:
    return UNKNOWN


def of_sum(x, y) -> Tensor:
    """Both rising or both falling, or one of them constant."""
    if isinstance(x, Slope) and isinstance(y, Slope):
        return torch.where(x.of == y.of, x.of, UNKNOWN)
    return (x if isinstance(x, Slope) else y).of


def of_difference(x, y) -> Tensor:
    return of_sum(x, Slope(-y.of) if isinstance(y, Slope) else y)


def of_product(x, y) -> Tensor:
    if isinstance(x, Slope) and isinstance(y, Slope):
        return UNKNOWN
    return x.of * sign(y) if isinstance(x, Slope) else y.of * sign(x)


def of_quotient(x, y) -> Tensor:
    return UNKNOWN if isinstance(y, Slope) else x.of * sign(y)


def of_batch_norm(x, weight, *_rest) -> Tensor:
    return x.of if weight is None else x.of * sign(weight)


def of_prelu(x, slope) -> Tensor:
    return x.of * torch.where(slope >= 0, UP, UNKNOWN).reshape(-1)


def of_leaky_relu(x, slope=0.01) -> Tensor:
    return x.of if slope >= 0 else UNKNOWN


def sign(constant) -> Tensor:
    """A zero slope makes a constant, which is as good as rising."""
    return torch.where(torch.as_tensor(constant, dtype=torch.float32) >= 0, UP, DOWN).reshape(-1)


ELEMENTWISE: dict[object, Rule] = {
    aten.add.Tensor: of_sum,
    aten.add_.Tensor: of_sum,
    aten.sub.Tensor: of_difference,
    aten.rsub.Scalar: falls,
    aten.mul.Tensor: of_product,
    aten.mul_.Tensor: of_product,
    aten.div.Tensor: of_quotient,
    aten.neg.default: falls,
    aten.batch_norm.default: of_batch_norm,
    aten.prelu.default: of_prelu,
    aten.leaky_relu.default: of_leaky_relu,
    aten.leaky_relu_.default: of_leaky_relu,
    aten.ge.Scalar: rises,
    aten.ge.Tensor: rises,
    aten.gt.Scalar: rises,
    aten.gt.Tensor: rises,
    aten.le.Scalar: falls,
    aten.le.Tensor: falls,
    aten.lt.Scalar: falls,
    aten.lt.Tensor: falls,
    aten.maximum.default: of_sum,
    aten.minimum.default: of_sum,
    snap_op._opoverload: rises,
}
RISING = (
    *(aten.relu.default, aten.relu_.default, aten.relu6.default, aten.relu6_.default),
    *(aten.hardtanh.default, aten.hardtanh_.default),
    *(aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default),
    *(aten.round.default, aten.floor.default),
)
# Not monotone, or vectorised approximations that may step back by a unit in the last place.
WAYWARD = (
    *(aten.abs.default, aten.tanh.default, aten.sigmoid.default, aten.hardsigmoid.default),
    *(aten.hardswish.default, aten.hardswish_.default, aten.silu.default, aten.silu_.default),
    *(aten.gelu.default, aten.elu.default, aten.sign.default, aten.exp.default),
    *(exp_op._opoverload, sigmoid_op._opoverload, sqrt_op._opoverload),
)
ELEMENTWISE |= dict.fromkeys(RISING, rises) | dict.fromkeys(WAYWARD, unknown)

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


def is_identity(node: Node) -> bool:
    """Moves a tensor about without changing its value (a cast from bytes to float32 included)."""
    active = node.target in DROPOUT and node.args[2]
    return node.target in IDENTITY and node.meta["val"].dtype == torch.float32 and not active


def moving_operands(node: Node, constants: dict[Node, Tensor]) -> list[Node]:
    """The operands of an elementwise or identity node that depend on the input; [] for others."""
    if node.target not in ELEMENTWISE and not is_identity(node):
        return []
    return [n for n in node.all_input_nodes if n not in constants]


def apply(node: Node, value: Callable[[Node], Tensor]) -> Tensor:
    """Runs the operation itself, as torch would; `value` gives its operands."""
    args = torch.fx.map_arg(node.args, lambda n: value(n).clone())
    return args[0].float() if node.target in IDENTITY else node.target(*args, **node.kwargs)


def slope(node: Node, value: Callable[[Node], object]) -> Slope:
    """Of an operation, for one channel or for each; `value` gives a Slope or a constant."""
    args = torch.fx.map_arg(node.args, value)
    if node.target in IDENTITY:
        return args[0]
    return Slope(UNKNOWN if node.kwargs.get("alpha", 1) != 1 else ELEMENTWISE[node.target](*args))


def channel_axis(node: Node, constants: dict[Node, Tensor]) -> tuple[int, int, int] | None:
    """(rank, axis, length) of the feature axis along which the constants vary; None if along none.

    The batch is not counted. The axis is -1 if there are several.
    """
    rank = node.meta["val"].ndim - 1
    sides: set[tuple[int, int]] = set()
    for operand in node.all_input_nodes:
        if operand not in constants:
            continue
        if node.target in (aten.batch_norm.default, aten.prelu.default):
            sides.add((0, constants[operand].numel()))  # one a channel whatever the shape
            continue
        shape = tuple(constants[operand].shape)
        surplus = len(shape) - rank
        sides.update((i - surplus, s) for i, s in enumerate(shape) if s > 1)
    sides = {(axis, length) for axis, length in sides if length > 1}
    if not sides:
        return None
    axis, length = next(iter(sides))
    return (rank, axis, length) if len(sides) == 1 and axis >= 0 else (rank, -1, 0)
