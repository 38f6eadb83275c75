"""The published quantizers by the names the field uses: one table for weights, one for inputs.

A spelling is a name, with a bit-width behind a colon where the name stands for a family:
"ste_sign", "dorefa:2", "lsq:4".
"""

import inspect
from collections.abc import Callable
from typing import TypeVar

from lowbit.quant.base import Quantizer

Factory = Callable[..., Quantizer]
F = TypeVar("F", bound=Factory)

WEIGHTS: dict[str, Factory] = {}
INPUTS: dict[str, Factory] = {}


def register(table: dict[str, Factory], name: str) -> Callable[[F], F]:
    """Enters a factory. It may take `bits` and `channels`, and takes nothing else."""

    def enter(factory: F) -> F:
        if name in table:
            raise ValueError(f"quantizer {name!r} is already {table[name].__qualname__}")
        table[name] = factory
        return factory

    return enter


def weight(name: str) -> Callable[[F], F]:
    return register(WEIGHTS, name)


def input(name: str) -> Callable[[F], F]:
    return register(INPUTS, name)


def both(name: str) -> Callable[[F], F]:
    return lambda factory: weight(name)(input(name)(factory))


def build(choice: "str | Quantizer | None", table: dict, channels: int) -> Quantizer | None:
    """The quantizer that a layer's `weight=` or `input=` asks for.

    Raises ValueError for a name that the table lacks, or bits that the name does not take.
    """
    if choice is None or isinstance(choice, Quantizer):
        return choice
    name, _, bits = choice.partition(":")
    if name not in table:
        raise ValueError(f"no quantizer {name!r}: choose from {', '.join(sorted(table))}")
    accepted = inspect.signature(table[name]).parameters
    given: dict[str, int] = {"channels": channels} if "channels" in accepted else {}
    if ("bits" in accepted) != bool(bits) or (bits and not bits.isdigit()):
        form = f"{name}:BITS" if "bits" in accepted else name
        raise ValueError(f"{choice!r} is spelled {form!r}")
    if bits:
        given["bits"] = int(bits)
    return table[name](**given)
