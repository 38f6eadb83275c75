"""A strided copy on any CPU. Its unit is an index of the first side of an image."""

from llvmlite import ir

from lowbit.kernels.copy.record import COPY
from lowbit.kernels.entry import inner
from lowbit.kernels.late import types
from lowbit.kernels.record import reader
from lowbit.kernels.simd import (
    I8,
    I32,
    as_i32,
    as_u8,
    as_u64,
    copy_bytes,
    intrinsic,
    load,
    store,
)

PIXELS = 16  # of three planes at a time

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


@intrinsic
def sixteen_pixels(typingctx, target, first, second, third):
    """16 bytes of each of three planes, byte by byte in turns."""

    def codegen(context, builder, signature, args):
        target, *planes = args
        a, b, c = (load(builder, at, ir.VectorType(I8, PIXELS)) for at in planes)
        double = ir.VectorType(I32, 2 * PIXELS)(list(range(2 * PIXELS)))
        turns = [PIXELS * plane + i for i in range(PIXELS) for plane in range(3)]
        index = ir.VectorType(I32, 3 * PIXELS)(turns)
        pairs = (builder.shuffle_vector(x, y, double) for x, y in ((a, b), (c, c)))
        store(builder, builder.shuffle_vector(*pairs, index), target)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


@inner
def interleave(source, plane, target, count):
    """Three planes of bytes to pixels, as of an image whose colours come first."""
    whole = count // PIXELS * PIXELS
    for i in range(0, whole, PIXELS):
        at = source + i
        sixteen_pixels(target + 3 * i, at, at + plane, at + 2 * plane)
    for k in range(3):
        copy_row(source + k * plane + whole, 1, target + k + 3 * whole, 3, count - whole, 1)


@inner
def are_planes(p):
    in_turns = p.target2 == 1 and p.target3 == 3
    return p.bytes == 1 and p.n2 == 3 and p.source3 == 1 and in_turns


def run(address, lo, hi):
    p = parameters(address)
    for unit in range(lo, hi):
        image, i = unit // p.n0, unit % p.n0
        source = p.source + image * p.source_image + i * p.source0
        target = p.target + image * p.target_image + i * p.target0
        for j in range(p.n1):
            s, t = source + j * p.source1, target + j * p.target1
            if are_planes(p):
                interleave(s, p.source2, t, p.n3)
            else:
                for k in range(p.n2):
                    from_, to = s + k * p.source2, t + k * p.target2
                    copy_row(from_, p.source3, to, p.target3, p.n3, p.bytes)
