"""Softmax on any CPU, a row at a time."""

import numpy as np

from lowbit.kernels.entry import inner
from lowbit.kernels.record import reader
from lowbit.kernels.simd import as_f32, as_i64, as_u8
from lowbit.kernels.softmax.reference import C32_17, C48_17, LARGEST, SOFTMAX

parameters = reader(SOFTMAX)


@inner
def largest_of(x, length):
    top = np.int64(-128)
    for j in range(length):
        top = max(top, np.int64(np.int8(x[j])))
    return top


@inner
def high_product(a, b):
    return (a * b + (np.int64(1) << 30)) >> 31


@inner
def bits_of(total):
    bits = 0
    while total >> bits:
        bits += 1
    return bits


@inner
def reciprocal(total, bits):
    half = ((total << (32 - bits)) - (np.int64(1) << 31) + LARGEST + 1) >> 1
    r = C48_17 + high_product(half, np.int64(C32_17))
    for _ in range(3):
        change = high_product(r, (np.int64(1) << 29) - high_product(half, r)) << 2
        r += min(max(change, -LARGEST - 1), LARGEST)
    return min(r << 1, LARGEST)


@inner
def integer_row(x, out, table, length):
    zero = 255 - largest_of(x, length)
    total = np.int64(0)
    for j in range(length):
        total += (table[zero + np.int64(np.int8(x[j]))] + 2048) >> 12
    bits = bits_of(total)
    r, half = reciprocal(total, bits), np.int64(1) << (bits + 2)
    for j in range(length):
        share = (high_product(table[zero + np.int64(np.int8(x[j]))], r) + half) >> (bits + 3)
        out[j] = np.uint8(min(np.int64(share) - 128, np.int64(127)))


@inner
def float_row(x, out, table, length):
    zero = 255 - largest_of(x, length)
    total = np.float32(0)
    for j in range(length):
        total += table[zero + np.int64(np.int8(x[j]))]
    factor = np.float32(1) / (total * np.float32(1 / 256))
    for j in range(length):
        scaled = table[zero + np.int64(np.int8(x[j]))] * factor
        out[j] = np.uint8(min(np.int64(scaled + np.float32(0.5)) - 128, np.int64(127)))


def run(address, lo, hi):
    p = parameters(address)
    for row in range(lo, hi):
        x, out = as_u8(p.x + row * p.length), as_u8(p.out + row * p.length)
        if p.floating:
            float_row(x, out, as_f32(p.table), p.length)
        else:
            integer_row(x, out, as_i64(p.table), p.length)
