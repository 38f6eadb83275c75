r"""Equations (1) and (2) of lowbit/ir/ops/softmax.py on rows of int8, given the table of E.

E is at least 0, so all roundings in form D are (v + half) >> shift; with r of the sum S, of n bits,

    q_j  =  -128 + ((H(r, E_j) + 2^(n + 2)) >> (n + 3)),   r  =  2^(30 + n) / S, nearly.        (1)
"""

import numpy as np

from lowbit.kernels.record import fields, record, view

# `table` has 256 entries: int64 for form D, float32 where `floating`. A unit is a row.
SOFTMAX = record("x", "out", "table", "length", "floating")
C48_17, C32_17 = 1515870810, -1010580540  # Newton's start, of 2 integer bits
LARGEST = 2**31 - 1


def run(address: int, lo: int, hi: int) -> None:
    p = fields(address, SOFTMAX)
    table = view(p.table, np.float32 if p.floating else np.int64, 256)
    for row in range(lo, hi):
        x = view(p.x + row * p.length, np.int8, p.length).astype(np.int64)
        powers = table[x - x.max() + 255]
        shares = float_shares(powers) if p.floating else integer_shares(powers)
        view(p.out + row * p.length, np.int8, p.length)[:] = np.minimum(shares - 128, 127)


def integer_shares(powers: np.ndarray) -> np.ndarray:
    total = int(((powers + 2**11) >> 12).sum())
    r, bits = reciprocal(total)
    high = (powers * r + 2**30) >> 31
    return (high + (1 << (bits + 2))) >> (bits + 3)


def high_product(a: int, b: int) -> int:
    return (a * b + 2**30) >> 31  # the truncation of the definition: ties go up either way


def reciprocal(total: int) -> tuple[int, int]:
    """r of equation (1), and n."""
    bits = total.bit_length()
    half = ((total << (32 - bits)) - 2**31 + LARGEST + 1) >> 1
    r = C48_17 + high_product(half, C32_17)
    for _ in range(3):
        change = high_product(r, 2**29 - high_product(half, r)) << 2
        r += min(max(change, -LARGEST - 1), LARGEST)
    return min(r << 1, LARGEST), bits


def float_shares(powers: np.ndarray) -> np.ndarray:
    total = np.float32(0)
    for power in powers:
        total += power
    factor = np.float32(1) / (total * np.float32(1 / 256))
    return (powers * factor + np.float32(0.5)).astype(np.int64)
