"""Python functions to machine code with a plain address, compiled when first asked for.

Every kernel is a function of three integers, run(parameters, lo, hi): the address of its
parameter record and the range of its outermost loop. One signature, so that an executor is a
loop over addresses. As a C function it returns 0, or FAILED if it would have raised.
"""

import contextlib
import ctypes
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from lowbit.kernels import cache, machine

KERNEL = 3  # arguments, all int64
FAILED = -1


def sign(function: Callable) -> None:
    """Makes the function's symbols this process's own. Numba numbers functions from one in every
    process, so that code from the cache and code compiled beside it would define the same symbols
    in different ways, and the linker would take one for the other."""
    function.__qualname__ += f"_{SEED}{os.getpid():x}"


SEED = secrets.token_hex(6)


class Inner:
    """A function that compiled code calls, made known to Numba when it is first compiled: of the
    hundreds that importing the kernels defines, a network needs a few."""

    def __init__(self, function: Callable, inlined: bool = False) -> None:
        self.function, self.inlined = function, inlined

    @functools.cached_property
    def dispatcher(self) -> Any:
        from lowbit.kernels import compiler

        sign(self.function)
        return compiler.dispatcher(self.function, self.inlined)

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_


def inner(function: Any) -> Any:
    """Division by zero is for callers to rule out."""
    return Inner(function)


def inlined(function: Any) -> Any:
    """The same, and never called: a tuple of vectors would be returned through memory."""
    return Inner(function, inlined=True)


class Code:
    """A compiled function: `address` is C's, and a call runs it without the GIL."""

    def __init__(self, name: str, address: int, arity: int) -> None:
        self.name, self.address = name, address
        self.function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arity)(address)

    def __call__(self, *arguments: int) -> int:
        """What the function returns, an int, or 0 for None."""
        result = self.function(*arguments)
        if result == FAILED:
            raise RuntimeError(f"kernel {self.name} failed: it was given what it rules out")
        return result


@functools.cache
def compiled(function: Callable, name: str, arity: int = KERNEL) -> Code:
    """`name` is its own in the cache."""
    for tell in LISTENERS:
        tell(name)
    code = cache.load(name)
    if code is None:
        from lowbit.kernels import compiler

        sign(function)
        code = compiler.object_code(function, arity, FAILED)
        cache.save(name, code)
    return Code(name, machine.load(code), arity)


LISTENERS: list[Callable[[str], None]] = []


@contextlib.contextmanager
def told(listener: Callable[[str], None]) -> Iterator[None]:
    """Calls the listener with a name before each function is compiled, or found in the cache."""
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)
