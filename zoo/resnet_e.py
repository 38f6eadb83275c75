"""BinaryResNetE: Bi-Real Net's shortcuts, plain signs, and a second norm behind the stem.

Bethge et al., "Back to Simplicity", 2019 [1906.08637], in the form of Larq Zoo. There signs pass
gradients up to 1.25; here up to 1, which changes training and not the network.
"""

from functools import partial

from torch import nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.birealnet import block
from lowbit.zoo.bits import Bits, linear
from lowbit.zoo.blocks import Shape, glorot, norm, stages, stem

SIGNS = Bits("ste_sign", "ste_sign")


@architecture(paper="1906.08637", input=(3, 224, 224), classes=1000, bits="w1a1")
def binary_resnet_e18(shape: Shape, classes: int, bits: Bits = SIGNS) -> nn.Module:
    """BinaryResNetE with 18 layers."""
    model = nn.Sequential(
        *(stem(bits, shape[0], 64, nn.ReLU()), norm(64)),
        stages(partial(block, bits), (64, 128, 256, 512), (4, 4, 4, 4)),
        *(nn.ReLU(), lnn.GlobalAvgPool2d()),
        linear(bits.at("last"), 512, classes, bias=True),
    )
    return glorot(model)
