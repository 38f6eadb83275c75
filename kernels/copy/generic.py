"""A strided copy on any CPU. Its unit is an index of the first side of an image."""

from lowbit.kernels.copy.record import COPY
from lowbit.kernels.entry import inner
from lowbit.kernels.record import reader
from lowbit.kernels.simd import as_i32, as_u8, as_u64, copy_bytes

parameters = reader(COPY)


@inner
def copy_row(source, source_stride, target, target_stride, count, size):
    """`count` items; a call for so few bytes would take longer than they do."""
    if size == 4:
        for _ in range(count):
            as_i32(target)[0] = as_i32(source)[0]
            source, target = source + source_stride, target + target_stride
    elif size == 1:
        for _ in range(count):
            as_u8(target)[0] = as_u8(source)[0]
            source, target = source + source_stride, target + target_stride
    elif size == 8:
        for _ in range(count):
            as_u64(target)[0] = as_u64(source)[0]
            source, target = source + source_stride, target + target_stride
    else:
        for _ in range(count):
            copy_bytes(target, source, size)
            source, target = source + source_stride, target + target_stride


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
                copy_row(s, p.source3, t, p.target3, p.n3, p.bytes)
