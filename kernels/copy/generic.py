"""A strided copy on any CPU. Its unit is an index of the first side of an image."""

from lowbit.kernels.copy.record import COPY
from lowbit.kernels.record import reader
from lowbit.kernels.simd import copy_bytes

parameters = reader(COPY)


def run(address, lo, hi):
    p = parameters(address)
    for unit in range(lo, hi):
        image, i = unit // p.n0, unit % p.n0
        source = p.source + image * p.source_image + i * p.source0
        target = p.target + image * p.target_image + i * p.target0
        for j in range(p.n1):
            for k in range(p.n2):
                s = source + j * p.source1 + k * p.source2
                t = target + j * p.target1 + k * p.target2
                for _ in range(p.n3):
                    copy_bytes(t, s, p.bytes)
                    s, t = s + p.source3, t + p.target3
