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


def product(wide, narrow, most: int, block: int, block_bytes, fill, room, table_bytes: int = TABLE):
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
