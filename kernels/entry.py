"""Python functions to machine code with a plain address, compiled when first asked for.

Every kernel is a function of three integers, run(parameters, lo, hi): the address of its
parameter record and the range of its outermost loop. One signature, so that an executor is a
loop over addresses.
"""

import contextlib
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from numba import njit, types
from numba.core.ccallback import CFunc

from lowbit.kernels.cache import KernelCache

KERNEL = types.void(types.int64, types.int64, types.int64)

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
}  # nothing may contract or reorder float32


def sign(function: Callable) -> None:
    """Makes the function's symbols this process's own. Numba numbers functions from one in every
    process, so that code from the cache and code compiled beside it would define the same symbols
    in different ways, and the linker would take one for the other."""
    function.__qualname__ += f"_{SEED}{os.getpid():x}"


SEED = secrets.token_hex(6)


class Inner:
    """A function that compiled code calls, made known to Numba when it is first compiled: of the
    hundreds that importing the kernels defines, a network needs a few."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    @functools.cached_property
    def dispatcher(self) -> Any:
        options: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        sign(self.function)
        return njit(nogil=True, **options)(self.function)

    @property
    def _numba_type_(self) -> types.Dispatcher:
        return self.dispatcher._numba_type_


def inner(function: Any) -> Any:
    """Division by zero is for callers to rule out."""
    return Inner(function)


@functools.cache
def compiled(function: Callable, name: str, signature=KERNEL) -> Any:
    """`.address` is a C function; `.ctypes` calls it without the GIL. `name` is its own file's."""
    for tell in LISTENERS:
        tell(name)
    sign(function)
    entry: Any = CFunc(
        function,
        (signature.args, signature.return_type),
        locals={},
        options=OPTIONS,
    )
    entry._cache = KernelCache(name)
    entry.compile()
    return entry


LISTENERS: list[Callable[[str], None]] = []


@contextlib.contextmanager
def told(listener: Callable[[str], None]) -> Iterator[None]:
    """Calls the listener with a name before each function is compiled, or found in the cache."""
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)
