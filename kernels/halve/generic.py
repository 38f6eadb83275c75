"""Halving on any CPU. Its unit is a row; what is left of a row lies in the work memory."""

from lowbit.kernels.entry import inner
from lowbit.kernels.halve.reference import HALVE
from lowbit.kernels.program import vectors
from lowbit.kernels.program.vectors import LANES, load_f32, store_f32
from lowbit.kernels.record import reader
from lowbit.kernels.simd import copy_bytes

parameters = reader(HALVE)


@inner
def combine(target, x, y, count, largest):
    for c in range(0, count, LANES):
        a, b = load_f32(x + 4 * c), load_f32(y + 4 * c)
        made = vectors.maximum(a, b) if largest else vectors.add(a, b)
        store_f32(target + 4 * c, made, count - c)


def run(address, lo, hi):
    """Equation (1). The first halving goes from the row to the work memory."""
    p = parameters(address)
    room = 4 * ((p.length + 1) // 2)
    for row in range(lo, hi):
        source, count, work = p.x + 4 * p.length * row, p.length, p.work + room * row
        while count > 1:
            half = (count + 1) // 2
            combine(work, source, source + 4 * half, count - half, p.largest)
            if half > count - half and source != work:
                copy_bytes(work + 4 * (half - 1), source + 4 * (half - 1), 4)
            source, count = work, half
        copy_bytes(p.out + 4 * row, source, 4)
