"""XNOR convolution. Names read xnor_conv_<pixels>x<channels>: the tile held in registers."""

from lowbit.kernels import counting, window
from lowbit.kernels.entry import inner
from lowbit.kernels.simd import U64x8, as_i64, zeros


def tile(pixels: int, vectors: int):
    """Equation (1) for `pixels` neighbours by 8 `vectors` channels."""
    none, step = zeros(U64x8, pixels * vectors), counting.step("xor", vectors)
    write, row = counting.writer(vectors, 1, counting.agreement), 64 * vectors
    write_bits = counting.bit_writer(vectors, counting.same)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc = none()
        pixel, taps = p.stride_w * p.x_pixel, t.kx1 - t.kx0
        # Neighbouring taps lie side by side in both operands, if nothing lies between.
        joint = p.dilation_w == 1 and p.groups == 1
        words = p.words * taps if joint else p.words
        for ky in range(t.ky0, t.ky1):
            for kx in range(t.kx0, t.kx0 + 1 if joint else t.kx1):
                a = x + (ky * p.dilation_h * p.w + kx * p.dilation_w) * p.x_pixel
                w = weights + (ky * p.kw + kx) * p.words * row
                for k in range(words):
                    acc = step(acc, a + 8 * k, pixel, w + row * k)
        total = p.depth * taps * (t.ky1 - t.ky0)
        if p.direct == window.BITS:
            write_bits(acc, total, p.limits + 8 * lane, p.flips + lane // 8, out, stride)
        else:
            write(acc, (total,), out, stride)

    return tile_


def masked(pixels: int, vectors: int):
    """The same for pixels with taps outside the image: what they read is masked away."""
    none, step = zeros(U64x8, pixels * vectors), counting.masked_step(vectors)
    write, row = counting.writer(vectors, 1, counting.agreements), 64 * vectors
    write_bits = counting.bit_writer(vectors, counting.listed)

    @inner
    def tile_(p, t, x, weights, bias, sums, lane, out, stride):
        acc, shift, pairs = none(), x - t.x, t.table + 8 * pixels
        for _ in range(p.kh * p.kw):
            for k in range(p.words):
                acc = step(acc, pairs, shift + 8 * k, weights)
                weights += row
            pairs += 16 * pixels
        totals, counts = as_i64(sums), as_i64(t.table)
        for i in range(pixels):
            totals[i] = p.depth * counts[i]
        if p.direct == window.BITS:
            write_bits(acc, sums, p.limits + 8 * lane, p.flips + lane // 8, out, stride)
        else:
            write(acc, (sums,), out, stride)

    return tile_


def kernel(pixels: int, vectors: int):
    row = 64 * vectors

    @inner
    def block_bytes(p):
        return p.kh * p.kw * p.words * row

    wide, narrow, mask = tile(pixels, vectors), tile(1, vectors), masked(pixels, vectors)
    return window.product(wide, narrow, pixels, 8 * vectors, block_bytes, masked=mask)


xnor_conv_2x8 = kernel(2, 1)
xnor_conv_4x32 = kernel(4, 4)
xnor_conv_8x16 = kernel(8, 2)
