"""Products on codes: y = product(codes of x, codes of w) * scales + bias.

Sums of small integers are exact in float32 below 2^24, in any order and on any device, so this
forward pass *is* the integer program. Autocast may lower the product's precision in training; in
evaluation it is switched off, since bfloat16 sums stop being exact at 256.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from lowbit.nn.shadow import require_float32
from lowbit.quant.base import Quantizer, Term
from lowbit.quant.precision import without_autocast
from lowbit.quant.registry import INPUTS, WEIGHTS, build

Choice = str | Quantizer | None
Product = Callable[[Tensor, Tensor], Tensor]


class QuantizedProduct:
    """What the low-bit layers have beside their torch.nn parent: a quantizer for each operand."""

    weight_quantizer: Quantizer | None
    input_quantizer: Quantizer | None

    def build_quantizers(self: Any, weight: Choice, input: Choice, axis: int) -> None:
        """Builds the quantizers; `axis` is where the input has its channels."""
        outputs, inputs = self.weight.shape[0], self.weight.shape[1] * getattr(self, "groups", 1)
        self.weight_quantizer = build(weight, WEIGHTS, outputs, 0)
        self.input_quantizer = build(input, INPUTS, inputs, axis)
        require_float32(self)

    @property
    def is_float(self) -> bool:
        return self.weight_quantizer is None and self.input_quantizer is None

    def _apply(self: Any, fn, recurse=True):
        super()._apply(fn, recurse)  # type: ignore[misc]
        require_float32(self)
        return self


def multiply(layer, x: Tensor, trailing: int, product: Product) -> Tensor:
    """The sum over the terms of input and weight, scaled and biased, each rounded once.

    `trailing` counts the axes behind the output's channels: 2 for an image, 0 for a vector.
    """
    wide = (1,) * trailing
    total = None
    with nullcontext() if layer.training else without_autocast(x):
        weights = [
            (laid_out_as(layer.weight, term.codes), channelwise(term.scale, wide))
            for term in terms(layer.weight_quantizer, layer.weight)
        ]
        for codes, scale in terms(layer.input_quantizer, x):
            codes = codes if layer.training else at_least_float32(codes)
            for weight, weight_scale in weights:
                part = scaled(product(codes, weight), times(scale, weight_scale))
                total = part if total is None else total + part
        assert total is not None
        return total if layer.bias is None else total + layer.bias.view(-1, *wide)


def laid_out_as(weight: Tensor, codes: Tensor) -> Tensor:
    """The codes with the strides of their weight. With one channel channels-last and contiguous are
    the same memory, and torch's operations forget which was meant; the product would then go by
    the wrong one, and all that follows it would be copied."""
    if codes.stride() == weight.stride() or codes.ndim != 4 or codes.shape[1] != 1:
        return codes
    if torch.compiler.is_exporting() or not weight.is_contiguous():
        return codes
    return codes.as_strided(weight.shape, weight.stride())


def terms(quantizer: Quantizer | None, x: Tensor) -> tuple[Term, ...]:
    return (Term(x, None),) if quantizer is None else quantizer.terms(x)


def at_least_float32(x: Tensor) -> Tensor:
    """A float layer under autocast hands on bfloat16, which evaluation widens again."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def channelwise(scale: Tensor | None, wide: tuple[int, ...]) -> Tensor | None:
    """A weight's scale (O, 1, ...) in the shape that broadcasts against the output."""
    return scale if scale is None or scale.ndim == 0 else scale.reshape(-1, *wide)


def times(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a * b


def scaled(y: Tensor, scale: Tensor | None) -> Tensor:
    return y if scale is None else y * scale
