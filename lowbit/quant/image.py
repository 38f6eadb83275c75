"""The image's own codes: a first layer multiplies the bytes of the picture, exactly."""

import torch
from torch import Tensor

from lowbit.quant.base import Quantizer, Term
from lowbit.quant.gradient import Clipped
from lowbit.quant.registry import input
from lowbit.quant.scale import Constant
from lowbit.quant.snap import snap
from lowbit.spec import unsigned


class Image8(Quantizer):
    """code = round(255 x) for pixels x in [0, 1], scale 1 / 255; bytes are taken as they are.

    Normalisation is left to the batch norm that follows, which folds it in.
    """

    def __init__(self) -> None:
        super().__init__(unsigned(8), Constant(1 / 255), Clipped(0.0, 255.0))

    def terms(self, x: Tensor) -> tuple[Term, ...]:
        if x.dtype == torch.uint8:
            return (Term(x.float(), self.scale(x.float())),)
        return super().terms(x)

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        return (Term(snap(x * 255, self.spec, self.gradient), self.scale(x)),)


@input("image8")
def image8() -> Quantizer:
    return Image8()
