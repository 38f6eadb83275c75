"""What the references of all products share: packed weights in blocks, and the plain product.

A product of x (images, h, w, C) with w (O, kh, kw, C / groups) is, for output channel o of group g,

    sum over taps (ky, kx) inside the image, over c:  x[.., ky, kx, g C/groups + c] w[o, ky, kx, c]
"""

import numpy as np

from lowbit.kernels.program import reference as program
from lowbit.kernels.record import WINDOW, fields, view
from lowbit.kernels.window import ENDLESS


def blocks(w: np.ndarray, groups: int, block: int, unit: int = 1) -> np.ndarray:
    """(O, kh, kw, U) to [group][block][tap][U / unit][lane][unit], zero beyond the last channel."""
    outs, kh, kw, units = w.shape
    count = -(-outs // groups // block)
    padded = np.zeros((groups, count * block, kh * kw, -(-units // unit) * unit), w.dtype)
    padded[:, : outs // groups, :, :units] = w.reshape(groups, -1, kh * kw, units)
    split = padded.reshape(groups, count, block, kh * kw, -1, unit)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 4, 2, 5))


def with_total(rows: np.ndarray) -> np.ndarray:
    """`blocks` of one number a tap and channel, and their sum behind the last tap."""
    return np.concatenate([rows, rows.sum(2, dtype=rows.dtype, keepdims=True)], 2)


def unblock(p, dtype, units: int, unit: int = 1, at: int | None = None) -> np.ndarray:
    """The inverse of `blocks`, from memory: (O, kh, kw, units)."""
    count, taps = -(-p.width // p.block), p.kh * p.kw
    whole = -(-units // unit)
    w = view(at or p.weights, dtype, p.groups, count, taps, whole, p.block, unit)
    w = w.transpose(0, 1, 4, 2, 3, 5).reshape(p.groups, count * p.block, taps, whole * unit)
    return w[:, : p.width, :, :units].reshape(-1, p.kh, p.kw, units)


def images_before(p, hi: int) -> int:
    """How many images the output pixels below `hi` take."""
    return -(-hi // (p.out_h * p.out_w))


def sides(p, hi: int) -> tuple[int, int, int, int]:
    """(h, w, out_h, out_w), with a linear layer's endless row cut at `hi`."""
    if p.out_w < ENDLESS:
        return p.h, p.w, p.out_h, p.out_w
    return 1, hi, 1, hi


def pixels(p, dtype, hi: int, channels: int) -> np.ndarray:
    """The input (images, h, w, channels) that output pixels below `hi` may read."""
    h, w, out_h, out_w = sides(p, hi)
    return view(p.x, dtype, -(-hi // (out_h * out_w)), h, w, channels)


def windows(p, x: np.ndarray, hi: int):
    """For each tap: its position, the inputs under it (pixels, C), and whose tap is inside."""
    h, w, out_h, out_w = sides(p, hi)
    image, oy, ox = (a.ravel() for a in np.indices((len(x), out_h, out_w)))
    for ky in range(p.kh):
        for kx in range(p.kw):
            y = oy * p.stride_h - p.pad_top + ky * p.dilation_h
            z = ox * p.stride_w - p.pad_left + kx * p.dilation_w
            inside = (y >= 0) & (y < h) & (z >= 0) & (z < w)
            taken = x[image, np.clip(y, 0, h - 1), np.clip(z, 0, w - 1)]
            yield (ky, kx), taken, inside


def integer_sums(p, x: np.ndarray, w: np.ndarray, hi: int) -> np.ndarray:
    """The sums, exact, for all output pixels."""
    total: np.ndarray | int = 0
    for (ky, kx), taken, inside in windows(p, x, hi):
        taken = np.where(inside[:, None], taken, 0).astype(np.float64)
        parts = [
            taken[:, g * p.depth : (g + 1) * p.depth]
            @ w[g * p.width : (g + 1) * p.width, ky, kx].T.astype(np.float64)
            for g in range(p.groups)
        ]
        total = total + np.concatenate(parts, 1)
    return np.asarray(total).astype(np.int64).astype(np.int32)


def reference(codes, unpack, address: int, lo: int, hi: int, sums=integer_sums) -> None:
    """codes(p, hi) gives the input as numbers, unpack(p) the weights; then the program runs."""
    if lo >= hi:
        return
    p = fields(address, WINDOW)
    values = sums(p, codes(p, hi), unpack(p), hi)
    program.run(p.program, values[lo:hi], lo)
