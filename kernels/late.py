"""Numba's parts, imported when something is compiled: what the kernel cache holds runs without.

Importing Numba takes longer than all else that a small network's first inference needs.
"""

import importlib
from typing import Any


class Late:
    """A module that is imported when its first attribute is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


types: Any = Late("numba.core.types")
cgutils: Any = Late("numba.core.cgutils")


class Scalar:
    """A Numba scalar type, by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def type(self) -> Any:
        return getattr(types, self.name)


FLOAT32, UINT8, UINT16, UINT64 = (Scalar(n) for n in ("float32", "uint8", "uint16", "uint64"))
INT8, INT32, INT64 = (Scalar(n) for n in ("int8", "int32", "int64"))
