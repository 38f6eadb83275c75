"""Convolution and linear on codes: y = product(codes of x, codes of w) * scales + bias.

Sums of small integers are exact in float32 below 2^24, in any order and on any device, so this
forward pass *is* the integer program. Autocast may lower the product's precision in training; in
evaluation it is switched off, since bfloat16 sums stop being exact at 256.
"""

from collections.abc import Callable
from contextlib import nullcontext

import torch.nn.functional as F
from torch import Tensor, nn

from lowbit.nn.shadow import require_float32
from lowbit.quant.base import Quantizer, Term
from lowbit.quant.precision import without_autocast
from lowbit.quant.registry import INPUTS, WEIGHTS, build

Choice = str | Quantizer | None
Product = Callable[[Tensor, Tensor], Tensor]


def multiply(layer, x: Tensor, trailing: int, product: Product) -> Tensor:
    """The sum over the terms of input and weight, scaled and biased, each rounded once.

    `trailing` counts the axes behind the output's channels: 2 for an image, 0 for a vector.
    """
    wide = (1,) * trailing
    total = None
    with nullcontext() if layer.training else without_autocast(x):
        weights = [
            (term.codes, channelwise(term.scale, wide))
            for term in terms(layer.weight_quantizer, layer.weight)
        ]
        for codes, scale in terms(layer.input_quantizer, x):
            for weight, weight_scale in weights:
                part = scaled(product(codes, weight), times(scale, weight_scale))
                total = part if total is None else total + part
        assert total is not None
        return total if layer.bias is None else total + layer.bias.view(-1, *wide)


def terms(quantizer: Quantizer | None, x: Tensor) -> tuple[Term, ...]:
    return (Term(x, None),) if quantizer is None else quantizer.terms(x)


def channelwise(scale: Tensor | None, wide: tuple[int, ...]) -> Tensor | None:
    """A weight's scale (O, 1, ...) in the shape that broadcasts against the output."""
    return scale if scale is None or scale.ndim == 0 else scale.reshape(-1, *wide)


def times(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a * b


def scaled(y: Tensor, scale: Tensor | None) -> Tensor:
    return y if scale is None else y * scale


class Convolution:
    """What Conv1d and Conv2d share beside torch's own: quantizers, and padding with a code."""

    def _quantize(self, weight: Choice, input: Choice, pad_value: int) -> None:
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode is 'zeros', not {self.padding_mode!r}")
        self.weight_quantizer = build(weight, WEIGHTS, self.out_channels)
        self.input_quantizer = build(input, INPUTS, self.in_channels)
        spec = self.input_quantizer and self.input_quantizer.spec
        if pad_value and (spec is None or pad_value not in spec):
            raise ValueError(f"pad_value={pad_value} is not a code of the input quantizer, {spec}")
        self.pad_value = pad_value
        require_float32(self)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        require_float32(self)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return multiply(self, x, len(self.kernel_size), self._product)

    def _product(self, codes: Tensor, weight: Tensor) -> Tensor:
        padding = self.padding
        if self.pad_value:
            sides = self._reversed_padding_repeated_twice
            codes, padding = F.pad(codes, sides, value=float(self.pad_value)), 0
        return self._conv(codes, weight, None, self.stride, padding, self.dilation, self.groups)


class Conv1d(Convolution, nn.Conv1d):
    """torch.nn.Conv1d with `weight=` and `input=` quantizers.

    `pad_value` is the code that padding holds: 0 (as torch pads after quantization; a third
    value for binary inputs), +1 or -1.
    """

    _conv = staticmethod(F.conv1d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
        *,
        weight: Choice = None,
        input: Choice = None,
        pad_value: int = 0,
    ) -> None:
        nn.Conv1d.__init__(
            self,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._quantize(weight, input, pad_value)


class Conv2d(Convolution, nn.Conv2d):
    """torch.nn.Conv2d with `weight=` and `input=` quantizers; `pad_value` as in Conv1d."""

    _conv = staticmethod(F.conv2d)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
        *,
        weight: Choice = None,
        input: Choice = None,
        pad_value: int = 0,
    ) -> None:
        nn.Conv2d.__init__(
            self,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._quantize(weight, input, pad_value)


class Linear(nn.Linear):
    """torch.nn.Linear with `weight=` and `input=` quantizers."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device=None,
        dtype=None,
        *,
        weight: Choice = None,
        input: Choice = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.weight_quantizer = build(weight, WEIGHTS, out_features)
        self.input_quantizer = build(input, INPUTS, in_features)
        require_float32(self)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        require_float32(self)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return multiply(self, x, 0, F.linear)
