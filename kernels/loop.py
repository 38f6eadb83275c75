"""The executor's loop over the steps of a plan: a table of kernel addresses and parameters.

With several threads each runs the same loop over its share of every step, and meets the others
after it. Kernels are exact on any range, so that the number of threads changes no byte.
"""

from collections.abc import Callable

from lowbit.kernels import barrier, entry
from lowbit.kernels.barrier import MEETING, PIECES
from lowbit.kernels.entry import inner
from lowbit.kernels.record import reader, record
from lowbit.kernels.simd import caller

CALL = record("kernel", "parameters", "units", "grain", "load")
SIZE = CALL.itemsize
SHARED = 7  # arguments of its shared loop
SMALL = 2**18  # a step with less load than this, some microseconds, is one piece
RUN = 64  # units below which a piece would read its weights too often

call = reader(CALL)
invoke = caller(3)


def run(table, steps, images):
    """The number of the step that failed, counted from 1, or 0."""
    for i in range(steps):
        c = call(table + i * SIZE)
        if invoke(c.kernel, (c.parameters, 0, c.units * images)) != 0:
            return i + 1
    return 0


@inner
def share_of(c, units, threads):
    """Pieces a thread; 0 for a step that is one piece in all."""
    if units * c.load < SMALL or units < 2 * c.grain:
        return 0
    return max(1, min(PIECES // threads, 4, units // (RUN * threads)))


@inner
def edge(c, units, piece, pieces):
    """Where a piece begins: at a whole tile."""
    return units if piece == pieces else units * piece // pieces // c.grain * c.grain


def run_shared(table, steps, images, me, threads, meetings, pause):
    for i in range(steps):
        c, meeting = call(table + i * SIZE), meetings + i * MEETING
        units = c.units * images
        share = share_of(c, units, threads)
        pieces = max(1, share * threads)
        for turn in range(pieces):
            # The own share forwards, then the others' from behind.
            piece = me * share + (turn if turn < share else share - 1 - turn)
            piece = (piece + pieces) % pieces
            if barrier.take(meeting, piece):
                lo, hi = edge(c, units, piece, pieces), edge(c, units, piece + 1, pieces)
                if lo < hi and invoke(c.kernel, (c.parameters, lo, hi)) != 0:
                    barrier.fail(meeting)
                barrier.finish(meeting)
        barrier.wait(meeting, pieces, pause)


def alone() -> Callable[..., int]:
    return entry.compiled(run, "loop")


def shared() -> Callable[..., int]:
    return entry.compiled(run_shared, "loop_shared", SHARED)
