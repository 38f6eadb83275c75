"""A float network of lowbit's layers in torch's own, which other tools know.

Exporters and compilers find convolutions by their class, and fold a batch norm that is torch's.
"""

from collections.abc import Callable
from copy import deepcopy

from torch import nn

import lowbit.nn as lnn
from lowbit.schemes import NORMS, PRODUCTS

CLASSES = {ours: torchs for torchs, ours in (*PRODUCTS.items(), *NORMS.items())}
REPLACED: dict[type[nn.Module], Callable[[], nn.Module]] = {
    lnn.GlobalAvgPool2d: lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


def plain(model: nn.Module) -> nn.Module:
    """A copy of `model` with the same weights; ValueError if a layer quantizes."""
    model = deepcopy(model)
    for name, layer in model.named_modules():
        if any(getattr(layer, f"{role}_quantizer", None) for role in ("weight", "input")):
            raise ValueError(f"layer {name!r} quantizes: there is no plain form of it")
        layer.__class__ = CLASSES.get(type(layer), type(layer))
        for child, part in layer.named_children():
            if type(part) in REPLACED:
                setattr(layer, child, REPLACED[type(part)]())
    return model
