"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6, for 8 bits.

Tan and Le, "EfficientNet", 2019 [1905.11946], table 1; the Lite variants are Google's, 2020.
"""

from torch import nn

from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import FLOAT, Bits
from lowbit.zoo.blocks import Shape
from lowbit.zoo.mobilenet import Row, network

LITE0: tuple[Row, ...] = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
    *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)


@architecture(paper="1905.11946", input=(3, 224, 224), classes=1000, bits="float")
def efficientnet_lite0(shape: Shape, classes: int, bits: Bits = FLOAT) -> nn.Module:
    """EfficientNet-Lite0."""
    return network(shape, classes, bits, LITE0)
