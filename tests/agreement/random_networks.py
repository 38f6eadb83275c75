"""Random low-bit networks: every layer, stride, padding, residual, quantizer and sign of gamma.

A network is a pure function of its seed. Norms have gammas of both signs and zeros, weights have
exact zeros, activations rise and fall, and the channel counts lie on both sides of a word.
"""

import random

import torch
from torch import Tensor, nn

import lowbit.nn as lnn
from lowbit.quant import INPUTS, WEIGHTS, build

DYNAMIC = {"absmax"}  # scales that depend on the input have no operator in the graph
BINARY_INPUTS = ("ste_sign", "approx_sign", "swish_sign", "rsign", "irnet")
CHANNELS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 63, 64, 65)


class Residual(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x


class Beside(nn.Module):
    """Two branches, concatenated along the channels."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.first(x), self.second(x)], 1)


def random_network(seed: int) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode and a batch for it, of pixels k / 255."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    sides = rng.choice((1, 2, 2, 2))
    channels, size = rng.choice((1, 2, 3)), rng.randint(7, 12)
    x = torch.randint(0, 256, (6, channels, *(size + rng.randint(0, 2) for _ in range(sides))))
    x = x.float() / 255
    layers = list(first_stage(rng, channels, sides))
    for _ in range(rng.randint(0, 3)):
        layers += middle_stage(rng, layers, x)
    layers += head(rng, width(layers, x), sides)
    model = nn.Sequential(*layers)
    randomize(model, rng)
    with torch.no_grad():
        model.train()(x)  # learned scales start from their first batch
    randomize(model, rng)
    return model.eval(), x


def width(layers: list[nn.Module], x: Tensor) -> int:
    return shape(layers, x)[1]


def shape(layers: list[nn.Module], x: Tensor) -> torch.Size:
    with torch.no_grad():
        return nn.Sequential(*layers).train()(x).shape


def spelled(rng: random.Random, table: dict, name: str) -> str:
    widths = range(1, 9) if name == "dorefa" else range(2, 9)
    try:
        build(name, table, 4)
    except ValueError:
        return f"{name}:{rng.choice([*widths, 2, 2, 4])}"
    return name


def weight(rng: random.Random) -> str:
    return spelled(rng, WEIGHTS, rng.choice(sorted(WEIGHTS)))


def input_(rng: random.Random) -> str:
    names = sorted(set(INPUTS) - DYNAMIC - {"image8"})
    return spelled(rng, INPUTS, rng.choice([*names, *BINARY_INPUTS]))


def first_stage(rng: random.Random, channels: int, sides: int):
    out = rng.choice(CHANNELS)
    conv = lnn.Conv2d if sides == 2 else lnn.Conv1d
    yield conv(channels, out, 3, padding=1, weight=weight(rng), input="image8")
    yield from trimmings(rng, out, sides, last=False)


def middle_stage(rng: random.Random, layers: list[nn.Module], x: Tensor) -> list[nn.Module]:
    _, channels, *sides = shape(layers, x)
    kind = rng.choice(("plain", "plain", "residual", "beside"))
    if kind == "residual":
        body = [conv(rng, channels, channels, sides, same=True)]
        return [Residual(nn.Sequential(*body, *trimmings(rng, channels, 0)))]
    if kind == "beside":
        parts = [conv(rng, channels, rng.choice(CHANNELS), sides, same=True) for _ in range(2)]
        return [Beside(*parts)]
    out = rng.choice(CHANNELS)
    pool = len(sides) if min(sides) > 3 else 0
    layer = conv(rng, channels, out, sides, same=pool == 0)
    after = min(shape([*layers, layer], x)[2:])
    return [layer, *trimmings(rng, out, pool if after > 3 else 0)]


def conv(rng: random.Random, channels: int, out: int, sides: list[int], same: bool) -> nn.Module:
    kernel = tuple(min(s, rng.choice((1, 2, 3, 3, 5))) for s in sides)
    divisors = [g for g in range(1, channels + 1) if channels % g == out % g == 0]
    groups = rng.choice([1, 1, 1, rng.choice(divisors)])
    quantizer = input_(rng)
    options = {
        "groups": groups,
        "bias": rng.random() < 0.5,
        "weight": weight(rng),
        "input": quantizer,
    }
    if quantizer in BINARY_INPUTS:
        options["pad_value"] = rng.choice((0, 0, 1, -1))
    if same:
        options["padding"] = "same"
    else:
        options["padding"] = tuple(rng.randint(0, k // 2 + 1) for k in kernel)
        options["stride"] = tuple(rng.choice((1, 1, 2)) for _ in sides)
        roomy = all(2 * (k - 1) < s for k, s in zip(kernel, sides, strict=True))
        options["dilation"] = tuple(rng.choice((1, 1, 2 if roomy else 1)) for _ in sides)
    if len(sides) == 1:
        for name in ("padding", "stride", "dilation"):
            if isinstance(options.get(name), tuple):
                options[name] = options[name][0]
        return lnn.Conv1d(channels, out, kernel[0], **options)
    return lnn.Conv2d(channels, out, kernel, **options)


def trimmings(rng: random.Random, channels: int, pool: int, last: bool = False):
    """Some of norm, activation and pooling, in any order."""
    norm = {0: None, 1: lnn.BatchNorm1d, 2: lnn.BatchNorm2d}
    parts: list[nn.Module] = []
    if pool and rng.random() < 0.9:
        parts.append(norm[pool](channels))
    if rng.random() < 0.6:
        parts.append(activation(rng, channels))
    if pool and rng.random() < 0.6:
        parts.append(pooling(rng, pool))
    rng.shuffle(parts)
    return parts


def activation(rng: random.Random, channels: int) -> nn.Module:
    return rng.choice(
        (
            nn.ReLU(),
            nn.ReLU(inplace=True),
            nn.ReLU6(),
            nn.Hardtanh(),
            nn.LeakyReLU(0.1),
            nn.PReLU(),
            nn.PReLU(channels),
            lnn.RPReLU(channels),
            lnn.LearnedShift(channels),
        )
    )


def pooling(rng: random.Random, sides: int) -> nn.Module:
    most, mean = ((nn.MaxPool1d, nn.AvgPool1d), (nn.MaxPool2d, nn.AvgPool2d))[sides - 1]
    return rng.choice(
        (
            most(2),
            most(3, 2, 1),
            most(3, 2, ceil_mode=True),
            mean(2),
            mean(3, 2, 1),
            mean(3, 2, 1, count_include_pad=False),
        )
    )


def head(rng: random.Random, channels: int, sides: int) -> list[nn.Module]:
    if sides == 2 and rng.random() < 0.4:
        gap = lnn.GlobalAvgPool2d(channels, input=rng.choice((None, "dorefa:4", "ste_sign")))
        flat: list[nn.Module] = [gap]
    else:
        flat = [nn.Flatten()]
    hidden = rng.choice((4, 17))
    return [
        *flat,
        Lazy(hidden, weight(rng), input_(rng)),
        lnn.BatchNorm1d(hidden),
        lnn.Linear(hidden, 5, weight=weight(rng), input=input_(rng)),
    ]


class Lazy(nn.Module):
    """A linear layer that learns its input's width from its first batch."""

    def __init__(self, out: int, weight: str, input: str) -> None:
        super().__init__()
        self.choice = (out, weight, input)
        self.layer: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.layer is None:
            out, weight, input = self.choice
            self.layer = lnn.Linear(x.shape[1], out, weight=weight, input=input)
        return self.layer(x)


def randomize(model: nn.Module, rng: random.Random) -> None:
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 2)
                module.running_var.uniform_(0.2, 9)
                module.weight.normal_().mul_(torch.rand_like(module.weight) > 0.15)
                module.bias.normal_()
            elif isinstance(module, (nn.PReLU, lnn.RPReLU, lnn.LearnedShift)):
                for parameter in module.parameters(recurse=False):
                    parameter.normal_(0.2, 0.3)
            elif getattr(module, "weight_quantizer", None) is not None:
                module.weight.mul_(torch.rand_like(module.weight) > 0.1)
