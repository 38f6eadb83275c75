"""Turning a float model into a low-bit one: the same modules and keys, with quantizers in them.

    model = quantize(float_model, "w2a2")
    model = quantize(float_model, Scheme("xnor", "rsign", first="image8"), skip=["*.downsample.*"])

Every torch.nn Linear, Conv1d and Conv2d becomes lowbit's, every BatchNorm the one whose
evaluation is written out. What stands in front of a quantizer is the user's: behind a ReLU every
sign is +1, so binary and ternary inputs want the batch norm alone, while unsigned inputs (dorefa,
lsq, pact) cut off what is negative and want values that are not.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from torch import nn

import lowbit.nn as lnn
from lowbit.quant.registry import suggestion


@dataclass(frozen=True, slots=True)
class Pair:
    """The quantizers of one layer, as its `weight=` and `input=` take them."""

    weight: str | None
    input: str | None


# What may be done with a first or a last layer.
#
#   float    as it is. Custom for binary networks (Larq) and DoReFa-Net: a few percent of the
#            accuracy sit there. A float first layer is where bit-for-bit equality ends.
#   8bit     what LSQ does. The input's offset is learned too, so that it may be negative.
#   image8   the image's own bytes, exactly; for a first layer that sees pixels in [0, 1].
EDGES = {
    "float": Pair(None, None),
    "8bit": Pair("lsq:8", "lsq_plus:8"),
    "image8": Pair("dorefa:8", "image8"),
}


@dataclass(frozen=True, slots=True)
class Scheme:
    """Quantizers for the layers of a model; `first` and `last` are names of EDGES, or None for
    no exception. First and last go by the order in which the model's modules are registered."""

    weight: str | None
    input: str | None
    first: str | None = "float"
    last: str | None = "float"

    def pair(self, place: str) -> Pair:
        edge = {"first": self.first, "last": self.last}.get(place)
        return Pair(self.weight, self.input) if edge is None else known(edge, EDGES, "edge")


# Binary as in Bi-Real Net, a binary weight with DoReFa's activations, and LSQ's 2, 4 and 8 bits,
# each with its own paper's custom at the edges.
SCHEMES = {
    "w1a1": Scheme("magnitude_aware_sign", "approx_sign"),
    "w1a2": Scheme("dorefa:1", "dorefa:2"),
    "tern": Scheme("twn", "ste_tern"),
    "w2a2": Scheme("lsq:2", "lsq:2", first="8bit", last="8bit"),
    "w4a4": Scheme("lsq:4", "lsq:4", first="8bit", last="8bit"),
    "w8a8": Scheme("lsq:8", "lsq:8", first="8bit", last="8bit"),
}

PRODUCTS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: lnn.Linear,
    nn.Conv1d: lnn.Conv1d,
    nn.Conv2d: lnn.Conv2d,
}
NORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: lnn.BatchNorm1d,
    nn.BatchNorm2d: lnn.BatchNorm2d,
}

T = TypeVar("T")
Skip = Sequence[str] | Callable[[str, nn.Module], bool]


def quantize(model: nn.Module, scheme: str | Scheme, skip: Skip = ()) -> nn.Module:
    """A low-bit copy of a float model, with its weights, its state-dict keys and its hooks.

    `skip` names layers that stay float (names or globs, as `named_modules` spells them), or
    decides about (name, layer). Subclasses of torch's layers are left alone: what they do with
    their weights is their own affair.

    Raises ValueError for an unknown scheme, a `skip` that matches nothing, or a layer that the
    scheme cannot quantize, naming it.
    """
    scheme = known(scheme, SCHEMES, "scheme") if isinstance(scheme, str) else scheme
    model = deepcopy(model)
    layers = [(name, m) for name, m in model.named_modules() if type(m) in PRODUCTS]
    places = ["first", *["middle"] * (len(layers) - 2), "last"][: len(layers)]
    skipped = chosen(layers, skip)
    for (name, layer), place in zip(layers, places, strict=True):
        become_low_bit(name, layer, Pair(None, None) if name in skipped else scheme.pair(place))
    for norm in model.modules():
        norm.__class__ = NORMS.get(type(norm), type(norm))
    return model


def become_low_bit(name: str, layer: nn.Module, pair: Pair) -> None:
    """Changes the class of a layer, which ours extend without storage of their own, and then
    gives it quantizers: so parameters, hooks and shared references stay what they are."""
    layer.__class__ = PRODUCTS[type(layer)]
    try:
        layer.quantize(pair.weight, pair.input)  # type: ignore[operator]
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None
    layer.to(next(layer.parameters()).device).train(layer.training)


def chosen(layers: list[tuple[str, nn.Module]], skip: Skip) -> set[str]:
    """The names of the layers to skip."""
    if callable(skip):
        return {name for name, layer in layers if skip(name, layer)}
    matches = {glob: [n for n, _ in layers if fnmatchcase(n, glob)] for glob in patterns(skip)}
    for glob, names in matches.items():
        if not names:
            layer_names = [name for name, _ in layers]
            raise ValueError(f"skip={glob!r} matches no layer: {suggestion(glob, layer_names)}")
    return {name for names in matches.values() for name in names}


def patterns(skip: Sequence[str]) -> Iterator[str]:
    return iter([skip] if isinstance(skip, str) else skip)


def known(name: str, table: dict[str, T], kind: str) -> T:
    if name not in table:
        raise ValueError(f"no {kind} {name!r}: {suggestion(name, table)}")
    return table[name]
