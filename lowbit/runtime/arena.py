"""One block of memory for all tensors of a plan: those that never live together share bytes."""

from collections.abc import Sequence

from lowbit.kernels.layout import SLACK
from lowbit.runtime.step import Buffer, Step

ALIGN = 64


def lifetimes(steps: Sequence[Step], inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> None:
    for i, step in enumerate(steps):
        for buffer in step.buffers():
            buffer.first, buffer.last = min(buffer.first, i), max(buffer.last, i)
    for buffer in inputs:
        buffer.first, buffer.last = -1, max(buffer.last, 0)
    for buffer in outputs:
        buffer.first, buffer.last = min(buffer.first, len(steps)), len(steps)


def place(buffers: Sequence[Buffer], batch: int) -> int:
    """Gives each buffer the lowest free offset, largest first; returns the bytes of the whole."""
    placed: list[tuple[int, int, Buffer]] = []
    for buffer in sorted(buffers, key=lambda b: -b.size):
        size, offset = -(-(buffer.size * batch + SLACK) // ALIGN) * ALIGN, 0
        for start, end, other in sorted(placed, key=lambda p: p[0]):
            apart = buffer.last < other.first or other.last < buffer.first
            if not apart and start < offset + size and offset < end:
                offset = end
        buffer.offset = offset
        placed.append((offset, offset + size, buffer))
    return max((end for _, end, _ in placed), default=0)
