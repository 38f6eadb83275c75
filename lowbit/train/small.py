"""A small convolutional network for 28 x 28 images, to train in minutes on a CPU."""

from torch import nn

from lowbit import nn as lnn


def block(inputs: int, outputs: int, weight: str, input: str) -> list[nn.Module]:
    conv = lnn.Conv2d(inputs, outputs, 3, padding=1, bias=False, weight=weight, input=input)
    return [conv, nn.MaxPool2d(2), lnn.BatchNorm2d(outputs)]


class SmallCNN(nn.Sequential):
    """Three convolutions and a linear layer; the first takes the image's own 8-bit codes.

    `weight` and `input` are spelled as for the layers: "ste_sign", "dorefa:2".
    """

    def __init__(
        self,
        weight: str = "ste_sign",
        input: str = "ste_sign",
        channels: int = 32,
        classes: int = 10,
    ) -> None:
        wide = 2 * channels
        super().__init__(
            *block(1, channels, weight, "image8"),
            *block(channels, wide, weight, input),
            *block(wide, wide, weight, input),
            nn.Flatten(),
            lnn.Linear(wide * 9, classes, bias=False, weight=weight, input=input),
            lnn.BatchNorm1d(classes),
        )
