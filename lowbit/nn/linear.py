"""The linear layer on codes: torch.nn's, with a quantizer for each operand."""

import torch.nn.functional as F
from torch import Tensor, nn

from lowbit.nn.product import Choice, QuantizedProduct, multiply


class Linear(QuantizedProduct, nn.Linear):
    """torch.nn.Linear with `weight=` and `input=` quantizers. Channels are the last axis."""

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
        nn.Linear.__init__(self, in_features, out_features, bias, device, dtype)
        self.quantize(weight, input)

    def quantize(self, weight: Choice, input: Choice) -> None:
        self.build_quantizers(weight, input, axis=-1)

    def forward(self, x: Tensor) -> Tensor:
        if self.is_float:
            return F.linear(x, self.weight, self.bias)
        return multiply(self, x, 0, F.linear)
