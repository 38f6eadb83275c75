"""What is said of a name that is not known: the nearest one, and where all of them are."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def require(name: str, table: Mapping[str, T], kind: str) -> T:
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, 1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no {kind} {name!r}: {hint}`lowbit zoo list` shows all there are")
