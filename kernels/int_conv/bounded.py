"""Products of few bits on AVX2: sums of pairs stay in int16 for a while before they are widened.

The instruction that multiplies bytes there adds two products in 16 bits. Where `run` of its sums
fit these, they are added up there, and only the total is widened to int32.
"""

from lowbit.kernels import packed, window
from lowbit.kernels.dots import Dot, as_bytes
from lowbit.kernels.entry import inner
from lowbit.kernels.int_conv.fours import add_row, leaving, step
from lowbit.kernels.simd import I16, Vector, call, intrinsic, zeros

SHORTS = Vector(I16, 16)


def in_shorts(builder, acc, x, w):
    pair = call(builder, "llvm.x86.avx2.pmadd.ub.sw", SHORTS.llvm, *as_bytes(builder, x, w))
    return builder.add(acc, pair)


PAIRS = Dot(8, frozenset({"avx2"}), in_shorts, packs=packed.AVX2)


@intrinsic
def widened(typingctx, acc, shorts):
    """acc and the pairs of int16, vector by vector."""

    def codegen(context, builder, signature, args):
        acc, shorts = args
        ones = SHORTS.llvm([1] * 16)
        for i in range(signature.args[0].count):
            total, pairs = (builder.extract_value(values, i) for values in (acc, shorts))
            wide = call(builder, "llvm.x86.avx2.pmadd.wd", total.type, pairs, ones)
            acc = builder.insert_value(acc, builder.add(total, wide), i)
        return acc

    return acc(acc, shorts), codegen


def parts(pixels: int, vectors: int, listed: bool):
    none, none_yet = zeros(PAIRS.vector, pixels * vectors), zeros(SHORTS, pixels * vectors)
    finish = leaving(PAIRS, vectors)
    return none, none_yet, step(PAIRS, pixels, vectors, listed), add_row(PAIRS, vectors), finish


def tile(run: int, pixels: int, vectors: int):
    none, none_yet, step_, add, finish = parts(pixels, vectors, False)
    turns, row = PAIRS.turns, PAIRS.bytes * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, pixel, steps = none(), p.stride_w * p.x_pixel, (p.depth + 3) // 4
        turned, whole = p.x_kind == turns, window.has_all_taps(p, t)
        flip = 0x80808080 if turned else 0
        if turned and whole:
            acc = add(acc, bias + p.kh * p.kw * row)
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                tap = ky * p.kw + kx
                w = weights + tap * steps * row
                for start in range(0, steps, run):
                    few = none_yet()
                    for k in range(start, min(steps, start + run)):
                        few = step_(few, a + 4 * k, pixel, w + row * k, flip)
                    acc = widened(acc, few)
                if turned and not whole:
                    acc = add(acc, bias + tap * row)
        finish(p, acc, lane, out, stride)

    return tile_


def masked(run: int, pixels: int, vectors: int):
    none, none_yet, step_, add, finish = parts(pixels, vectors, True)
    turns, row = PAIRS.turns, PAIRS.bytes * vectors

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, shift, pairs, steps = none(), x - t.x, t.table + 8 * pixels, (p.depth + 3) // 4
        turned, taps = p.x_kind == turns, p.kh * p.kw
        flip = 0x80808080 if turned else 0
        if turned:
            acc = add(acc, bias + taps * row)
        for _ in range(taps):
            for start in range(0, steps, run):
                few = none_yet()
                for k in range(start, min(steps, start + run)):
                    few = step_(few, pairs, shift + 4 * k, weights, flip)
                    weights += row
                acc = widened(acc, few)
            pairs += 16 * pixels
        finish(p, acc, lane, out, stride)

    return tile_


def kernel(run: int, pixels: int, vectors: int):
    row = PAIRS.bytes * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * ((p.depth + 3) // 4) * row

    wide, narrow, mask = (
        tile(run, pixels, vectors),
        tile(run, 1, vectors),
        masked(run, pixels, vectors),
    )
    return window.product(wide, narrow, pixels, PAIRS.lanes * vectors, block_bytes, masked=mask)
