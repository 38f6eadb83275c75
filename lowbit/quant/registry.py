"""The published quantizers by the names the field uses: one table for weights, one for inputs.

A spelling is a name, with a bit-width behind a colon where the name stands for a family:
"ste_sign", "dorefa:2", "lsq:4".
"""

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

from lowbit.quant.base import Quantizer

Factory = Callable[..., Quantizer]
F = TypeVar("F", bound=Factory)

WEIGHTS: dict[str, Factory] = {}
INPUTS: dict[str, Factory] = {}


def register(table: dict[str, Factory], name: str) -> Callable[[F], F]:
    """Enters a factory. It may take `bits`, `channels` and `axis`, and takes nothing else."""

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


def build(
    choice: str | Quantizer | None, table: dict[str, Factory], channels: int, axis: int = 1
) -> Quantizer | None:
    """The quantizer that a layer's `weight=` or `input=` asks for.

    `channels` and `axis` are how many channels the tensor has, and where.
    Raises ValueError for a name that the table lacks, or bits that the name does not take.
    """
    if choice is None or isinstance(choice, Quantizer):
        return choice
    name, _, bits = choice.partition(":")
    if name not in table:
        raise ValueError(f"no quantizer {name!r}: {suggestion(name, table)}")
    accepted = inspect.signature(table[name]).parameters
    if ("bits" in accepted) != bool(bits) or (bits and not bits.isdecimal()):
        form = f"{name}:BITS" if "bits" in accepted else name
        raise ValueError(f"{choice!r} is spelled {form!r}")
    known = {"channels": channels, "axis": axis} | ({"bits": int(bits)} if bits else {})
    return table[name](**{key: value for key, value in known.items() if key in accepted})


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the nearest one, if any is near, and all of them."""
    near = difflib.get_close_matches(name, known, 1)
    choices = f"choose from {', '.join(sorted(known))}"
    return f"did you mean {near[0]!r}? Otherwise {choices}" if near else choices


def require_bits(bits: int, lo: int, hi: int, name: str) -> None:
    if not lo <= bits <= hi:
        raise ValueError(f"{name} has {lo} to {hi} bits, not {bits}")
