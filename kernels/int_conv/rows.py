"""The rows of int_conv: a tile of a kernel, and what the table has to know of it."""

from functools import partial

import numpy as np

from lowbit.kernels import dense, depthwise, products
from lowbit.kernels.dots import VNNI_512, Dot
from lowbit.kernels.int_conv import (
    amx,
    amx_joined,
    bounded,
    depthwise_fours,
    depthwise_pairs,
    depthwise_rolled,
    few_bits,
    fits,
    fours,
    joined,
    widened,
)
from lowbit.kernels.table import Kernel
from lowbit.spec import QuantSpec

ANY: frozenset[str] = frozenset()  # CPU


def pack_pairs(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    """(O, kh, kw, C / groups) to [group][block][tap][pair of channels][lane][2] int16."""
    return products.blocks(w.astype(np.int16), groups, block, unit=2)


def pack_words(block: int, w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    return products.blocks(w.astype(np.int32), groups, block)


def pack_depthwise(w: np.ndarray, spec: QuantSpec, groups: int) -> np.ndarray:
    return depthwise.pack(w, np.int32)


def by_dots(name: str, dot: Dot, tile, run, pack, bias, fits_, channelwise: bool = False) -> Kernel:
    """`pack` and `bias` are for so many lanes, and `bias` for the dot's shift."""
    pixels, lanes = tile
    return Kernel(
        f"{name}_{pixels}x{lanes}",
        run,
        dot.requires,
        tile=tile,
        pack=partial(pack, lanes),
        fits=fits_,
        bias=partial(bias, dot.shift),
        codes=True,
        channelwise=channelwise,
        pads=channelwise,
    )


def dots_row(name: str, dot: Dot, pixels: int, vectors: int) -> Kernel:
    run, tile = fours.kernel(dot, pixels, vectors), (pixels, dot.lanes * vectors)
    return by_dots(name, dot, tile, run, fours.pack, fours.bias, partial(fits.bytes_by_dots, dot))


def bounded_row(run: int, pixels: int, vectors: int) -> Kernel:
    dot, kernel = bounded.PAIRS, bounded.kernel(run, pixels, vectors)
    name, tile = f"int_conv_bounded{run}", (pixels, dot.lanes * vectors)
    return by_dots(
        name, dot, tile, kernel, fours.pack, fours.bias, partial(fits.bounded_bytes, run)
    )


def joined_row(name: str, dot: Dot, pixels: int, vectors: int) -> Kernel:
    run, tile = joined.kernel(dot, pixels, vectors), (pixels, dot.lanes * vectors)
    return by_dots(
        name, dot, tile, run, joined.pack, joined.bias, partial(fits.joined_by_dots, dot)
    )


def depthwise_row(name: str, dot: Dot, pixels: int) -> Kernel:
    run, tile = depthwise_fours.kernel(dot, pixels), (pixels, dot.bytes)
    fit = partial(fits.depthwise_by_dots, dot)
    return by_dots(
        name, dot, tile, run, depthwise_fours.pack, depthwise_fours.bias, fit, channelwise=True
    )


def depthwise_rolled_row(name: str, dot: Dot, pixels: int, vectors: int) -> Kernel:
    run, tile = depthwise_rolled.kernel(dot, pixels, vectors), (pixels, dot.lanes * vectors)
    fit = partial(fits.rolled_by_dots, tile[1])
    return by_dots(
        name, dot, tile, run, depthwise_rolled.pack, depthwise_fours.bias, fit, channelwise=True
    )


def depthwise_pairs_row(pixels: int) -> Kernel:
    return Kernel(
        f"int_conv_depthwise_pairs_{pixels}x{depthwise_pairs.LANES}",
        depthwise_pairs.kernel(pixels),
        tile=(pixels, depthwise_pairs.LANES),
        pack=depthwise_pairs.pack,
        fits=fits.depthwise_by_pairs,
        codes=True,
        channelwise=True,
        pads=True,
    )


def widened_row(bits: int, pixels: int, vectors: int, requires: frozenset[str] = ANY) -> Kernel:
    lanes = dense.LANES * vectors
    return Kernel(
        f"int_conv_widened{bits}_{pixels}x{lanes}",
        widened.kernel(bits, pixels, vectors),
        requires,
        tile=(pixels, lanes),
        pack=partial(widened.pack, {8: np.int8, 16: np.int16}[bits], lanes),
        fits={8: fits.widened_bytes, 16: fits.widened_shorts}[bits],
        codes=True,
    )


def few_bits_row(name: str, run, dot: Dot, pixels: int, vectors: int) -> Kernel:
    lanes = dot.lanes * vectors
    return Kernel(
        f"{name}_{pixels}x{lanes}",
        run(pixels, vectors),
        dot.requires,
        tile=(pixels, lanes),
        pack=partial(few_bits.pack, lanes),
        fits=fits.signed_by_two_bits,
        codes=True,
    )


def amx_row(name: str, registers, requires: frozenset[str], dot: Dot = VNNI_512) -> Kernel:
    return Kernel(
        name,
        amx.kernel(registers, dot),
        requires,
        tile=(amx.PIXELS, amx.LANES),
        pack=amx.pack,
        fits=fits.bytes_by_amx,
        bias=partial(fours.bias, dot.shift),
        codes=True,
    )


def amx_joined_row(name: str, registers, requires: frozenset[str]) -> Kernel:
    return Kernel(
        name,
        amx_joined.kernel(registers),
        requires,
        tile=(amx.PIXELS, amx.LANES),
        pack=amx_joined.pack,
        fits=fits.joined_by_amx,
        codes=True,
    )


def pairs_row(pixels: int, vectors: int, requires: frozenset[str] = ANY) -> Kernel:
    lanes = dense.LANES * vectors
    return Kernel(
        f"int_conv_pairs_{pixels}x{lanes}",
        dense.kernel(dense.BytePairs, pixels, vectors),
        requires,
        tile=(pixels, lanes),
        pack=partial(pack_pairs, lanes),
        fits=fits.pairs,
    )
