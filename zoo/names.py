"""What is said of a name that is not known: the nearest one, and where all of them are."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def require(name: str, table: Mapping[str, T], kind: str) -> T:
    if name in table:
        return table[name]
    raise ValueError(
        f"no {kind} {name!r}: {nearest(name, table)}`lowbit zoo list` shows all there are"
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """A question, or nothing."""
    near = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""
