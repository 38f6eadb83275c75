"""Snapping to an alphabet: the one place where a float tensor becomes integer codes.

In training the codes carry a pretended gradient (an autograd Function: exact forwards, which the
detach trick is not). While torch.export records the model, a snap is the custom operator
`lowbit::snap`, so that it survives as one node that names its alphabet.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lowbit.spec import BINARY, QuantSpec

Backward = Callable[[Tensor, Tensor], Tensor]


class NonFiniteInput(ValueError):
    """A quantizer was given NaN or infinity, which no code can stand for."""


def nearest(x: Tensor, spec: QuantSpec) -> Tensor:
    """The code nearest to x, in x's type. Ties: sign(0) = +1; otherwise the even index."""
    if spec == BINARY:
        return sign(x)
    if spec.step == 1:
        return x.round().clamp_(spec.lo, spec.hi)
    index = ((x - spec.lo) / spec.step).round_().clamp_(0, spec.levels - 1)
    return index * spec.step + spec.lo


def sign(x: Tensor) -> Tensor:
    """+1 where x >= 0, and -1 elsewhere.

    One new tensor, and two more passes over it while it is warm: several times faster than
    torch.where or a comparison, which torch does not vectorize for scalars.
    """
    return x.sign().add_(0.5).sign_()


@torch.library.custom_op("lowbit::snap", mutates_args=())
def snap_op(x: Tensor, lo: int, hi: int, step: int) -> Tensor:
    return nearest(x, QuantSpec(lo, hi, step))


@snap_op.register_fake
def _(x: Tensor, lo: int, hi: int, step: int) -> Tensor:
    return torch.empty_like(x)


class Snap(torch.autograd.Function):
    """Codes forwards; backwards `gradient(g, u)`, with u the float that was snapped."""

    @staticmethod
    def forward(ctx, u: Tensor, codes: Tensor, gradient: Backward) -> Tensor:
        ctx.save_for_backward(u)
        ctx.gradient = gradient
        return codes.view_as(codes)

    @staticmethod
    def backward(ctx, g: Tensor):
        (u,) = ctx.saved_tensors
        return ctx.gradient(g, u), None, None


def snap(u: Tensor, spec: QuantSpec, gradient: Backward, codes: Tensor | None = None) -> Tensor:
    """The codes of `u` in `spec`, with the gradient pretended at `u`.

    `u` is in code units and float32 or wider. `codes` replaces the nearest codes where a paper's
    rule is another one; they are in `spec` already.
    Raises NonFiniteInput.
    """
    if torch.compiler.is_exporting():
        return torch.ops.lowbit.snap(u if codes is None else codes, spec.lo, spec.hi, spec.step)
    require_finite(u)
    with torch.no_grad():
        codes = nearest(u, spec) if codes is None else codes.detach()
    return Snap.apply(u, codes, gradient)


def require_finite(x: Tensor) -> None:
    """Raises NonFiniteInput; while exporting or compiling, values are unknown, and may pass."""
    if torch.compiler.is_compiling():
        return
    # A sum is one pass without a temporary; only a sum that overflows needs the second look.
    x = x.detach()
    if not torch.isfinite(x.sum()) and not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise NonFiniteInput(
            f"{bad} of {x.numel()} values to quantize are NaN or infinite (shape "
            f"{tuple(x.shape)}): lower the learning rate, or look at the layer before"
        )
