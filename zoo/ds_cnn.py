"""DS-CNN for keyword spotting, in floats: a baseline for 8 bits, with depthwise convolutions.

Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", 2017 [1711.07128], table 12: the
small one, on 49 frames of 10 cepstral coefficients. Its input is no image, so the registry does
not list it.
"""

from torch import nn

from lowbit import nn as lnn

FRAMES, COEFFICIENTS, WIDTH, DEPTH = 49, 10, 64, 4


def separable(width: int) -> list[nn.Module]:
    deep = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
    wide = nn.Conv2d(width, width, 1, bias=False)
    return [deep, lnn.BatchNorm2d(width), nn.ReLU(), wide, lnn.BatchNorm2d(width), nn.ReLU()]


def ds_cnn(classes: int = 12) -> nn.Module:
    """(N, 1, 49, 10) to (N, classes)."""
    first = nn.Conv2d(1, WIDTH, (10, 4), stride=2, padding=(5, 1), bias=False)
    blocks = [layer for _ in range(DEPTH) for layer in separable(WIDTH)]
    head = (lnn.GlobalAvgPool2d(), nn.Linear(WIDTH, classes))
    return nn.Sequential(first, lnn.BatchNorm2d(WIDTH), nn.ReLU(), *blocks, *head)
