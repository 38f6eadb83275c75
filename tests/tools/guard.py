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


def protect(network) -> None:
    """Moves every tensor and constant of a network to such memory of its own."""
    from lowbit.kernels.layout import DTYPES, SLACK

    base, steps = network.memory.ctypes.data + network.start, network.plan.steps
    named = [*network.plan.inputs.values(), *network.plan.outputs]
    buffers = dict.fromkeys([*named, *(b for step in steps for b in step.buffers())])
    rooms = {buffer: room(buffer.size * network.batch, SLACK) for buffer in buffers}
    for buffer, memory in rooms.items():
        buffer.offset = memory.ctypes.data - base
    for step in steps:
        for places in (step.places, *step.program):
            for name, place in places.items():
                if isinstance(place, np.ndarray):
                    places[name] = guarded(place)
        step.settle(base, int(step.record["run_program"][0]) if step.program else 0)
        if step.code is not None:
            step.code = guarded(step.code)
            step.record["program"] = step.code.ctypes.data

    def array(buffer, images: int, shape: tuple[int, ...]) -> np.ndarray:
        part = rooms[buffer][: images * buffer.size].view(DTYPES[buffer.layout])
        return part.reshape(images, *shape)

    network.array = array
