"""Memory between two pages that nobody may touch: a read or a write past its end is a crash."""

import ctypes
import mmap

import numpy as np

PAGE, NOTHING = mmap.PAGESIZE, 0
GARBAGE = 0xA5  # what slack holds: results must not depend on it
libc = ctypes.CDLL(None, use_errno=True)


def room(size: int, slack: int = 0, front: bool = False) -> np.ndarray:
    """`size` bytes with `slack` more to be read, and then the page; or, front, the page before."""
    pages = -(-(size + slack) // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    whole[:] = GARBAGE
    for at in (0, (pages + 1) * PAGE):
        address = ctypes.c_void_p(whole.ctypes.data + at)
        if libc.mprotect(address, ctypes.c_size_t(PAGE), NOTHING):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE if front else (pages + 1) * PAGE - size - slack
    return whole[start : start + size]


def guarded(values: np.ndarray, slack: int = 0, front: bool = False) -> np.ndarray:
    """A copy of the values in such memory."""
    values = np.ascontiguousarray(values)
    out = room(values.nbytes, slack, front).view(values.dtype).reshape(values.shape)
    out[...] = values
    return out
