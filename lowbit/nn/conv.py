"""Convolutions on codes: torch.nn's, with a quantizer for each operand and padding by a code."""

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lowbit.nn.product import Choice, QuantizedProduct, multiply
from lowbit.spec import QuantSpec


class Convolution(QuantizedProduct):
    """What Conv1d and Conv2d share beside torch's own."""

    pad_value: int
    pads_as_keras: bool = False  # "same" at any stride: out = ceil(in / stride), odd ones behind

    def quantize(self: Any, weight: Choice, input: Choice, pad_value: int = 0) -> None:
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode is 'zeros', not {self.padding_mode!r}")
        self.build_quantizers(weight, input, axis=1)
        self.pad_value = pad_value
        if pad_value:
            self.require_code(pad_value)

    def require_code(self: Any, value: int) -> None:
        """Refuses padding that the input quantizer has no code for. Several terms, such as
        LSQ+'s, have no one code that could be padded with."""
        specs: tuple[QuantSpec, ...] = self.input_quantizer.specs if self.input_quantizer else ()
        if len(specs) != 1 or value not in specs[0]:
            known = " + ".join(map(str, specs)) or "there is none"
            raise ValueError(f"pad_value={value} is not a code of the input quantizer: {known}")

    def forward(self: Any, x: Tensor) -> Tensor:
        if self.is_float:
            return self.convolve(x, self.weight, self.bias)
        return multiply(self, x, len(self.kernel_size), self.convolve)

    def convolve(self: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        padding = self.padding
        if self.pad_value or self.pads_as_keras:
            x, padding = F.pad(x, self.sides(x), value=float(self.pad_value)), 0
        return self.product(x, weight, bias, self.stride, padding, self.dilation, self.groups)

    def sides(self: Any, x: Tensor) -> list[int]:
        """What is padded before and behind, the last axis first: F.pad's order."""
        if not self.pads_as_keras:
            return self._reversed_padding_repeated_twice
        axes = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        return [pad for axis in reversed([*axes]) for pad in keras_padding(*axis)]


def keras_padding(side: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's "SAME" for one axis, before and behind."""
    reach = (-(-side // stride) - 1) * stride + dilation * (kernel - 1) + 1
    total = max(reach - side, 0)
    return total // 2, total - total // 2


class Conv1d(Convolution, nn.Conv1d):
    """torch.nn.Conv1d with `weight=` and `input=` quantizers.

    `pad_value` is the code that padding holds: 0 (as torch pads after quantization; a third
    value for binary inputs), +1 or -1.
    """

    product = staticmethod(F.conv1d)

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
        padding_mode: Literal["zeros"] = "zeros",
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
        self.quantize(weight, input, pad_value)


class Conv2d(Convolution, nn.Conv2d):
    """torch.nn.Conv2d with `weight=` and `input=` quantizers; `pad_value` as in Conv1d."""

    product = staticmethod(F.conv2d)

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
        padding_mode: Literal["zeros"] = "zeros",
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
        self.quantize(weight, input, pad_value)
