"""Python functions to machine code with a plain address, compiled when first asked for.

Every kernel is a function of three integers, run(parameters, lo, hi): the address of its
parameter record and the range of its outermost loop. One signature, so that an executor is a
loop over addresses.
"""

import functools
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core.ccallback import CFunc

from lowbit.kernels.cache import KernelCache

KERNEL = types.void(types.int64, types.int64, types.int64)

# Division by zero is for callers to rule out, and nothing may contract or reorder float32. Only
# compiled code calls these, so that half of what Numba makes by default would be waste.
inner = njit(
    error_model="numpy", nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@functools.cache
def compiled(function: Callable, name: str, signature=KERNEL) -> Any:
    """`.address` is a C function; `.ctypes` calls it without the GIL. `name` is its own file's."""
    entry: Any = CFunc(
        function,
        (signature.args, signature.return_type),
        locals={},
        options={"error_model": "numpy", "_nrt": False},
    )
    entry._cache = KernelCache(name)
    entry.compile()
    return entry
