"""A small U-Net, in floats: a baseline for 8 bits, whose output is as large as its input.

Ronneberger et al., "U-Net", 2015 [1505.04597], with padded convolutions and batch norms. It is no
classifier, so the registry does not list it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lowbit import nn as lnn


def twice(ins: int, outs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (ins, outs):
        layers += [nn.Conv2d(channels, outs, 3, padding=1, bias=False)]
        layers += [lnn.BatchNorm2d(outs), nn.ReLU()]
    return nn.Sequential(*layers)


def up(ins: int, outs: int, learned: bool) -> nn.Module:
    if learned:
        return nn.ConvTranspose2d(ins, outs, 2, stride=2)
    doubled = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(doubled, nn.Conv2d(ins, outs, 1))


class UNet(nn.Module):
    """(N, C, H, W) to (N, classes, H, W); each level but the last halves the sides on the way
    down. `learned` goes up by transposed convolutions, otherwise by interpolation."""

    def __init__(
        self,
        channels: int = 1,
        classes: int = 2,
        widths: Sequence[int] = (16, 32, 64),
        learned: bool = True,
    ) -> None:
        super().__init__()
        ins = (channels, *widths[:-1])
        self.down = nn.ModuleList(twice(i, o) for i, o in zip(ins, widths, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(up(i, o, learned) for i, o in pairs)
        self.join = nn.ModuleList(twice(2 * o, o) for _, o in pairs)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for level in self.down[:-1]:
            kept.append(level(x))
            x = self.pool(kept[-1])
        x = self.down[-1](x)
        for rise, join, skip in zip(self.up, self.join, kept[::-1], strict=True):
            x = join(torch.cat([skip, rise(x)], 1))
        return self.head(x)


def unet() -> nn.Module:
    """Two levels down and up again, for images of one channel and two classes of pixel."""
    return UNet()
