"""Names to networks. Listing imports neither torch nor numba; `create_model` alone needs torch."""

import importlib
import inspect
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lowbit.zoo.architecture import Architecture, architectures
from lowbit.zoo.cards import Card, cards
from lowbit.zoo.fetch import located
from lowbit.zoo.names import require

if TYPE_CHECKING:
    from torch import nn

    from lowbit.runtime import Network
    from lowbit.schemes import Scheme
    from lowbit.zoo.bits import Bits


def list_models(pattern: str = "*", trained: bool = False) -> list[str]:
    """The names that match: of architectures and of trained weights, or of weights alone."""
    names = [*([] if trained else architectures()), *cards()]
    return sorted(name for name in names if fnmatchcase(name, pattern))


def architecture(name: str) -> Architecture:
    """Raises ValueError, with the nearest name, for one that is not known; as all here do."""
    return require(name.partition(".")[0], architectures(), "architecture")


def card(name: str) -> Card:
    """What is known of the weights `arch.tag`."""
    if name in architectures():
        tags = ", ".join(list_models(f"{name}.*")) or "none were trained here"
        raise ValueError(f"{name!r} is an architecture, without weights: those of it are {tags}")
    return require(name, cards(), "trained network")


def load(name: str, batch: int = 1) -> "Network":
    """The integer network `arch.tag`, from the package or, once fetched, from the cache."""
    from lowbit import runtime

    return runtime.load(located(card(name).graph), batch=batch)


def create_model(
    name: str,
    *,
    input_shape: tuple[int, ...] | None = None,
    classes: int | None = None,
    scheme: "str | Scheme | None" = None,
    exact: bool = False,
) -> "nn.Module":
    """A torch model in training mode: `arch` as its paper has it, `arch.tag` with its weights.

    `input_shape` (channels, height, width), `classes` and the `scheme` of the body replace the
    paper's. With `exact`, nothing sums floats: the first layer takes bytes, and what a paper keeps
    real has 8 bits, so that the exported network agrees to the last bit.
    """
    known = architecture(name)
    if "." in name:
        if (input_shape, classes, scheme, exact) != (None, None, None, False):
            raise ValueError(f"{name} is trained as it is: options are for {known.name} alone")
        return trained(card(name))
    return build(known, input_shape or known.input, classes or known.classes, scheme, exact)


def build(
    known: Architecture,
    shape: tuple[int, ...],
    classes: int,
    scheme: "str | Scheme | None",
    exact: bool,
) -> "nn.Module":
    builder = getattr(importlib.import_module(known.module), known.name)
    bits: Bits = inspect.signature(builder).parameters["bits"].default
    bits = bits if scheme is None else bits.with_scheme(scheme)
    return builder(shape, classes, bits.exact() if exact else bits)


def trained(card: Card) -> "nn.Module":
    from lowbit.schemes import Scheme
    from lowbit.zoo.weights import load_weights

    if card.weights is None:
        raise ValueError(
            f"{card.name}: only its integer network is published, for lowbit.zoo.load: for torch, "
            f"train it again: {card.command}"
        )
    scheme = None if card.scheme is None else Scheme(**card.scheme)
    model = build(architecture(card.name), card.input, card.classes, scheme, card.exact)
    return load_weights(model, located(card.weights))
