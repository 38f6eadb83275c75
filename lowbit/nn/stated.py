"""Float operations in a stated order, as custom operators that an export keeps as one node each.

torch does not say in which order it sums, nor which exponential it computes: these do, and every
runtime gives the same bits (lowbit/ir/ops: exp, sigmoid, sum, matmul). They are made of torch's
elementwise arithmetic, which rounds each result once, so they are slower than torch's own; layers
use them in evaluation only.
"""

import torch
from torch import Tensor

from lowbit import exponential


@torch.library.custom_op("lowbit::exp", mutates_args=())
def exp_op(x: Tensor) -> Tensor:
    """e^x by equations (1) and (2) of lowbit/exponential.py."""
    inside = x.clamp(exponential.LOWEST, exponential.HIGHEST)
    n = (inside * exponential.LOG2_E).round_()
    r = (inside - n * exponential.C1).sub_(n * exponential.C2)
    p = torch.full_like(r, exponential.POLYNOMIAL[0])
    for coefficient in exponential.POLYNOMIAL[1:]:
        p.mul_(r).add_(coefficient)
    power = ((n.to(torch.int32) + 127) << 23).view(torch.float32)
    y = (p.mul_(r * r).add_(r).add_(1.0)).mul_(power)
    return y.masked_fill_(x < exponential.LOWEST, 0.0)


@torch.library.custom_op("lowbit::sigmoid", mutates_args=())
def sigmoid_op(x: Tensor) -> Tensor:
    """1 / (1 + e^-x)"""
    below = exp_op(-x).add_(1.0)
    return torch.ones_like(below).div_(below)


@torch.library.custom_op("lowbit::sqrt", mutates_args=())
def sqrt_op(x: Tensor) -> Tensor:
    """The correctly rounded root: torch's own, which may come from MKL, is not always.

    A root in float64, whatever its last bit, lies on the right side of every float32 midpoint.
    """
    return x.double().sqrt_().float()


@torch.library.custom_op("lowbit::sum", mutates_args=())
def sum_op(x: Tensor) -> Tensor:
    """The sum over the last axis, which stays as 1: value i takes value i + ceil(P / 2) onto
    itself until one of P is left."""
    row = x.clone()
    while row.shape[-1] > 1:
        half = (row.shape[-1] + 1) // 2
        spare = row.shape[-1] - half
        added = row[..., :spare] + row[..., half:]
        row = torch.cat([added, row[..., spare:half]], -1)
    return row


@torch.library.custom_op("lowbit::matmul", mutates_args=())
def matmul_op(a: Tensor, b: Tensor) -> Tensor:
    """(*B, M, K) by (*B, K, N): sums in order of k, product and addition rounded separately."""
    out = a.new_zeros((*a.shape[:-1], b.shape[-1]))
    for k in range(a.shape[-1]):
        out.add_(a[..., k, None] * b[..., k, None, :])
    return out


@exp_op.register_fake
@sigmoid_op.register_fake
@sqrt_op.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@sum_op.register_fake
def _(x: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], 1))


@matmul_op.register_fake
def _(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty((*a.shape[:-1], b.shape[-1]))


def keep_output(ctx, inputs, output) -> None:
    ctx.save_for_backward(output)


def keep_inputs(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs)


def keep_shape(ctx, inputs, output) -> None:
    ctx.shape = inputs[0].shape


def of_matmul(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
    a, b = ctx.saved_tensors
    return g @ b.mT, a.mT @ g


def of_sigmoid(ctx, g: Tensor) -> Tensor:
    (y,) = ctx.saved_tensors
    return g * y * (1 - y)


def of_sqrt(ctx, g: Tensor) -> Tensor:
    return g / (2 * ctx.saved_tensors[0])


exp_op.register_autograd(lambda ctx, g: g * ctx.saved_tensors[0], setup_context=keep_output)
sigmoid_op.register_autograd(of_sigmoid, setup_context=keep_output)
sqrt_op.register_autograd(of_sqrt, setup_context=keep_output)
sum_op.register_autograd(lambda ctx, g: g.expand(ctx.shape), setup_context=keep_shape)
matmul_op.register_autograd(of_matmul, setup_context=keep_inputs)
