"""The loops of products that find each pixel's inputs in a table of addresses.

For each run of output pixels `fill` writes a table; then, for each chunk of channels and block of
packed weights, tiles of `most` pixels, or one, are computed from it. Groups are the tiles' affair.
"""

from lowbit.kernels import window
from lowbit.kernels.entry import inner
from lowbit.kernels.program import RUN, SCRATCH, run_program
from lowbit.kernels.simd import stack

TABLE = 48 * 1024  # bytes for the table of a run, where a kernel does not ask for more

scratch_memory = stack(4 * SCRATCH)


@inner
def positions(p, first):
    """Image, row and column of an output pixel."""
    row, image_rows = first // p.out_w, p.out_h
    return row // image_rows, row % image_rows, first % p.out_w


@inner
def following(p, image, oy, ox):
    ox += 1
    if ox == p.out_w:
        ox, oy = 0, oy + 1
        if oy == p.out_h:
            oy, image = 0, image + 1
    return image, oy, ox


def inputs_of_pixel(copy, size: int):
    """The function that writes a pixel's inputs, tap after tap, zeros outside the image. `image` is
    the address of the image, y0 and x0 the place of tap (0, 0), a tap is `tap` codes there, and
    rows of taps begin `line` bytes apart.

    copy(kind, source, target, count) leaves `count` codes as values of `size` bytes, and may write
    beyond them.
    """

    @inner
    def write(p, image, y0, x0, tap, target, line):
        dense = p.dilation_w == 1 and p.x_pixel == tap
        joint = dense and x0 >= 0 and x0 + p.kw <= p.w  # taps side by side, here as there
        for ky in range(p.kh):
            y, to = y0 + ky * p.dilation_h, target + ky * line
            row, inside = image + y * p.w * p.x_pixel, y >= 0 and y < p.h
            if joint:
                at = row + x0 * p.x_pixel if inside else p.zero
                copy(p.x_kind, at, to, p.kw * tap)
            else:
                for kx in range(p.kw):
                    x = x0 + kx * p.dilation_w
                    at = row + x * p.x_pixel if inside and x >= 0 and x < p.w else p.zero
                    copy(p.x_kind, at, to + size * kx * tap, tap)

    return write


def rows_of_inputs(copy, size: int, row_bytes):
    """The fill that writes a row a pixel: its inputs."""
    write = inputs_of_pixel(copy, size)

    @inner
    def fill(p, table, first, count):
        image, oy, ox = positions(p, first)
        for i in range(count):
            at = p.x + image * p.h * p.w * p.x_pixel
            y, x = oy * p.stride_h - p.pad_top, ox * p.stride_w - p.pad_left
            line = size * p.kw * p.depth
            write(p, at, y, x, p.depth, table + i * row_bytes(p), line)
            image, oy, ox = following(p, image, oy, ox)

    return fill


def product(
    wide,
    narrow,
    most: int,
    block: int,
    block_bytes,
    fill,
    room,
    table_bytes: int = TABLE,
):
    """The kernel of these parts:

        room(p)                        pixels whose table fits `table_bytes`
        fill(p, table, first, count)   writes it
        tile(p, table, r, channel, weights, out, stride)

    wide and narrow compute pixels r, r + 1, ... of a run, `block` channels from `channel` on.
    """
    table_memory = stack(table_bytes)

    @inner
    def whole_tiles(pixels):
        return pixels // most * most if pixels > most else pixels

    def run(address, lo, hi):
        p = window.window(address)
        scratch, table = scratch_memory(), table_memory()
        length, outs = min(RUN, max(1, hi - lo), whole_tiles(room(p))), p.groups * p.width
        chunk = outs
        if p.direct == 0:
            chunk = min(SCRATCH // length, outs + 63) // 64 * 64
        size = 4 if p.direct == window.WORDS or p.direct == 0 else 1
        for first in range(lo, hi, length):
            count = min(length, hi - first)
            whole = count // most * most
            fill(p, table, first, count)
            for c0 in range(0, outs, chunk):
                c1 = min(outs, c0 + chunk)
                for c in range(c0, c1, block):
                    weights = p.weights + c // block * block_bytes(p)
                    out, row = scratch + 4 * (c - c0), 4 * chunk
                    if p.direct != 0:
                        out, row = p.out + first * p.out_pixel + size * c, p.out_pixel
                    for r in range(0, whole, most):
                        wide(p, table, r, c, weights, out + row * r, row // size)
                    for r in range(whole, count):
                        narrow(p, table, r, c, weights, out + row * r, row // size)
                if p.direct == 0:
                    program, call = p.program, p.run_program
                    run_program(call, (program, scratch, first, count, c0, c1 - c0, chunk))

    return run
