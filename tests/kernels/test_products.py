"""Every row of every product table against plain sums, with sizes around every tile."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from guard import guarded
from hypothesis import given, settings
from hypothesis import strategies as st

from lowbit.kernels import float_conv, int_conv, layout, plane_conv, xnor_conv
from lowbit.kernels.int_conv import widened
from lowbit.kernels.layout import DTYPES, SLACK, Layout
from lowbit.kernels.problem import Problem
from lowbit.kernels.program import Op, generic
from lowbit.kernels.program.assemble import assemble, link
from lowbit.spec import BINARY, INT8, NARROW_INT8, TERNARY, QuantSpec, narrow, odd, unsigned

TABLES = {
    "xnor_conv": xnor_conv.KERNELS,
    "plane_conv": plane_conv.KERNELS,
    "int_conv": int_conv.KERNELS,
    "float_conv": float_conv.KERNELS,
}
ROWS = [(table, kernel) for table, kernels in TABLES.items() for kernel in kernels]
every = pytest.mark.parametrize(("table", "kernel"), ROWS, ids=[k.name for _, k in ROWS])
few_bits = (BINARY, TERNARY, unsigned(1), unsigned(2), odd(2), unsigned(4))


def around(tile: int) -> list[int]:
    """Sizes at which a tiled loop goes wrong: below, at and above the tile, and past two."""
    return sorted({1, max(1, tile - 1), tile, tile + 1, 2 * tile + 3})


def codes(rng, shape, spec: QuantSpec | None) -> np.ndarray:
    if spec is None:
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(0, spec.levels, shape) * spec.step + spec.lo


def direct(problem: Problem, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The sums, in the stated order, tap after tap and channel after channel."""
    wide = np.float32 if problem.layout is Layout.FLOAT else np.int64
    x, w, (out_h, out_w) = x.astype(wide), w.astype(wide), problem.out
    depth, width = problem.channels // problem.groups, problem.outs // problem.groups
    total = np.zeros((len(x), out_h, out_w, problem.outs), wide)
    # Each output channel's own inputs, (..., depth, outs), so that the depth is the one inner loop.
    mine = np.arange(problem.outs) // width * depth + np.arange(depth)[:, None]
    for ky, kx in np.ndindex(*problem.kernel):
        for oy, ox in np.ndindex(out_h, out_w):
            y = oy * problem.stride[0] - problem.padding[0][0] + ky * problem.dilation[0]
            z = ox * problem.stride[1] - problem.padding[1][0] + kx * problem.dilation[1]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                terms = x[:, y, z][:, mine] * w[:, ky, kx].T
                if wide is np.int64:
                    total[:, oy, ox] += terms.sum(1)
                    continue
                for c in range(depth):
                    total[:, oy, ox] += terms[:, c]
    return total


def product(table: str, kernel, problem: Problem, x, w, splits: int = 1, front=False) -> np.ndarray:
    """The kernel's sums, as its program stores them, computed in `splits` ranges. All that it
    reads and writes ends at a page that it may not touch, or `front`, begins there."""
    if problem.layout is Layout.PLANES:
        packed = layout.pack(x, problem.x_spec)
    else:
        packed = x.astype(DTYPES[problem.layout])
    pixels = len(x) * problem.out[0] * problem.out[1]
    dtype = np.float32 if problem.layout is Layout.FLOAT else np.int32
    out = guarded(np.full((pixels, problem.outs), -(2**30), dtype), front=front)
    store = {"op": Op.STORE_WORD, "at": out.ctypes.data, "row": 4 * problem.outs}
    code = link(assemble([store]))
    held = {
        "x": guarded(packed, SLACK, front),
        "weights": guarded(kernel.pack(w, problem.w_spec, problem.groups), front=front),
        "program": code,
        "zero": guarded(problem.outside(), front=front),
    }
    if kernel.bias:
        bias = kernel.bias(kernel.tile[1], w, problem.x_spec, problem.groups)
        held["bias"] = guarded(bias, front=front)
    record = problem.record(
        block=kernel.tile[1] if kernel.tile else 1,
        run_program=generic.runner().address,
        **{name: value.ctypes.data for name, value in held.items()},
    )
    ends = np.linspace(0, pixels, splits + 1).astype(int)
    for lo, hi in itertools.pairwise(ends):
        kernel.callable()(record.ctypes.data, int(lo), int(hi))
    return out.reshape(len(x), *problem.out, problem.outs)


def geometry(sides, kernel, stride, padding, dilation):
    out = tuple(
        (s + sum(p) - d * (k - 1) - 1) // t + 1
        for s, k, t, p, d in zip(sides, kernel, stride, padding, dilation, strict=True)
    )
    names = ("sides", "out", "kernel", "stride", "padding", "dilation")
    return dict(zip(names, (sides, out, kernel, stride, padding, dilation), strict=True))


PLAIN = geometry((1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))


def specs_of(table: str, kernel):
    if table == "xnor_conv":
        return BINARY, BINARY, Layout.PLANES
    if table == "plane_conv":
        return unsigned(2), odd(2), Layout.PLANES
    if table == "float_conv":
        return None, None, Layout.FLOAT
    if "words" in kernel.name:
        return QuantSpec(-300, 300), odd(8), Layout.INT
    if "few_bits" in kernel.name:
        return INT8, TERNARY, Layout.BYTE
    if "bounded8" in kernel.name:
        return unsigned(8), QuantSpec(-8, 7), Layout.UBYTE
    if "bounded" in kernel.name:
        return unsigned(8), TERNARY, Layout.UBYTE
    if "avx2" in kernel.name:
        return unsigned(8), narrow(7), Layout.UBYTE
    if "widened16" in kernel.name:
        return unsigned(8), odd(8), Layout.UBYTE
    return unsigned(8), NARROW_INT8, Layout.UBYTE


def sizes(kernel, channels: int, outs: int, depthwise: int) -> tuple[int, int, int]:
    """Channels, output channels and groups: some rows are for several groups alone."""
    if "depthwise" in kernel.name:
        return depthwise, depthwise, depthwise
    groups = 2 if kernel.name.startswith("int_conv_pairs") else 1
    return channels * groups, outs * groups, groups


def check(table, kernel, problem, seed=0, images=1, splits=1):
    if why := kernel.objections(problem):
        pytest.skip("; ".join(why))
    rng = np.random.default_rng(seed)
    x = codes(rng, (images, *problem.sides, problem.channels), problem.x_spec)
    size = (problem.outs, *problem.kernel, problem.channels // problem.groups)
    w = codes(rng, size, problem.w_spec)
    want = direct(problem, x, w)
    for front in (False, True):
        got = product(table, kernel, problem, x, w, splits, front)
        np.testing.assert_array_equal(got, want, err_msg=str(problem))


def make(table, kernel, channels, outs, shape=PLAIN, **more) -> Problem:
    x, w, at = specs_of(table, kernel)
    named = {"x_spec": x, "w_spec": w, "layout": at, **shape, **more}
    return Problem(channels, outs, **named)


@every
def test_pixels_and_channels_around_the_tile(table, kernel):
    pixels, lanes = kernel.tile[:2] if kernel.tile else (1, 1)
    for width in around(pixels):
        for outs in around(lanes):
            shape = geometry((2, width), (1, 2), (1, 1), ((0, 0), (0, 1)), (1, 1))
            channels, all_outs, groups = sizes(kernel, 5, outs, depthwise=outs)
            check(table, kernel, make(table, kernel, channels, all_outs, shape, groups=groups))


@every
@pytest.mark.parametrize("channels", [1, 2, 63, 64, 65, 127, 128, 129])
def test_depths_around_a_word(table, kernel, channels):
    channels, outs, groups = sizes(kernel, channels, 3, depthwise=channels)
    shape = geometry((3, 5), (2, 3), (1, 1), ((0, 1), (1, 1)), (1, 1))
    check(table, kernel, make(table, kernel, channels, outs, shape, groups=groups))


@every
@pytest.mark.parametrize(
    "shape",
    [
        geometry((9, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
        geometry((9, 11), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
        geometry((7, 8), (3, 2), (1, 2), ((2, 0), (0, 3)), (2, 1)),
        geometry((6, 13), (2, 3), (2, 1), ((3, 3), (5, 2)), (1, 4)),
        geometry((1, 17), (1, 5), (1, 1), ((0, 0), (2, 2)), (1, 1)),
        geometry((2, 2), (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2)),
    ],
    ids=["same", "strided", "lopsided", "wide", "line", "hollow"],
)
def test_windows(table, kernel, shape):
    channels, outs, groups = sizes(kernel, 22, 17, depthwise=22)
    problem = make(table, kernel, channels, outs, shape, groups=groups)
    check(table, kernel, problem, images=2, splits=3)


@every
@pytest.mark.parametrize(
    ("groups", "depth", "width"), [(2, 64, 3), (3, 64, 33), (4, 5, 130), (65, 1, 1)]
)
def test_groups(table, kernel, groups, depth, width):
    problem = make(table, kernel, groups * depth, groups * width, groups=groups)
    if problem.layout is Layout.PLANES and depth % 64:
        pytest.skip("groups of packed channels are whole words")
    shape = geometry((2, 6), (2, 2), (1, 1), ((0, 0), (1, 0)), (1, 1))
    check(table, kernel, make(table, kernel, groups * depth, groups * width, shape, groups=groups))


@every
def test_many_groups_of_many_channels(table, kernel):
    """The scratch holds the rows of a run, padding lanes of the last group included."""
    groups, width = (512, 1) if "depthwise" in kernel.name else (8, 64)
    shape = geometry((2, 40), (1, 2), (1, 1), ((0, 0), (0, 1)), (1, 1))
    depth = 64 if table in ("xnor_conv", "plane_conv") else 1 if groups == 512 else 3
    problem = make(table, kernel, groups * depth, groups * width, shape, groups=groups)
    check(table, kernel, problem)


@every
def test_more_channels_than_a_chunk(table, kernel):
    groups = 1100 if "depthwise" in kernel.name else 1
    shape = geometry((2, 6), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
    channels = 1100 if groups > 1 else 3
    check(table, kernel, make(table, kernel, channels, 1100, shape, groups=groups))


@every
@pytest.mark.parametrize(("channels", "pixels"), [(8000, 37), (widened.MOST, 9)])
def test_runs_as_long_as_there_is_room(table, kernel, channels, pixels):
    """What a kernel writes down of its pixels bounds a run; the last one ends inside a tile."""
    channels, outs, groups = sizes(kernel, channels, 3, depthwise=channels)
    shape = geometry((1, pixels), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
    check(table, kernel, make(table, kernel, channels, outs, shape, groups=groups))


@pytest.mark.parametrize("x", few_bits, ids=str)
@pytest.mark.parametrize("w", few_bits, ids=str)
def test_bit_planes_of_any_two_alphabets(x, w):
    shape = geometry((4, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    for kernel in plane_conv.KERNELS:
        problem = make("plane_conv", kernel, 70, 18, shape, x_spec=x, w_spec=w)
        if not kernel.objections(problem):
            check("plane_conv", kernel, problem)


@pytest.mark.parametrize("x", [INT8, unsigned(8), TERNARY, unsigned(4)], ids=str)
@pytest.mark.parametrize("w", [INT8, odd(8), BINARY, TERNARY, odd(2)], ids=str)
def test_bytes_of_either_sign(x, w):
    shape = geometry((4, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    at = layout.whole(x)
    for kernel in int_conv.KERNELS:
        problem = make("int_conv", kernel, 7, 7, shape, x_spec=x, w_spec=w, layout=at)
        problem = problem if "depthwise" not in kernel.name else depthwise(problem)
        if not kernel.objections(problem):
            check("int_conv", kernel, problem)


@pytest.mark.parametrize("x", [INT8, unsigned(8), unsigned(4), unsigned(2)], ids=str)
@pytest.mark.parametrize("w", [INT8, narrow(7), odd(4), odd(2), unsigned(2), TERNARY], ids=str)
def test_the_largest_sums(x, w):
    """Rows that add up in 16 bits for a while leave them in time."""
    at = layout.whole(x)
    for kernel in int_conv.KERNELS:
        problem = make("int_conv", kernel, 777, 2, x_spec=x, w_spec=w, layout=at)
        if "depthwise" in kernel.name or kernel.objections(problem):
            continue
        for one, other in itertools.product((x.lo, x.hi), (w.lo, w.hi)):
            codes_x, codes_w = np.full((1, 1, 1, 777), one), np.full((2, 1, 1, 777), other)
            got = product("int_conv", kernel, problem, codes_x, codes_w)
            assert (got == 777 * one * other).all(), (kernel.name, one, other)


def depthwise(problem: Problem) -> Problem:
    return replace(problem, groups=problem.channels)


@every
def test_no_pixels_are_no_work(table, kernel):
    channels, groups = (6, 6) if "depthwise" in kernel.name else (3, 1)
    shape = geometry((2, 3), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    check(table, kernel, make(table, kernel, channels, 6, shape, groups=groups), splits=13)


@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_random_windows(data):
    draw = data.draw
    pair = partial(st.tuples, st.integers(1, 3))
    kernel, stride = draw(pair(st.integers(1, 4))), draw(pair(st.integers(1, 3)))
    dilation = draw(pair(st.integers(1, 3)))
    pads = st.tuples(st.integers(0, 3), st.integers(0, 3))
    padding = (draw(pads), draw(pads))
    reach = [d * (k - 1) + 1 - sum(p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    sides = tuple(draw(st.integers(max(1, r), max(1, r) + 9)) for r in reach)
    shape = geometry(sides, kernel, stride, padding, dilation)
    channels, outs = draw(st.sampled_from([1, 6, 65])), draw(st.sampled_from([1, 16, 33]))
    for table, rows in TABLES.items():
        for kernel_ in rows:
            problem = make(table, kernel_, channels, outs, shape)
            if not kernel_.objections(problem):
                check(table, kernel_, problem, images=2, splits=draw(st.integers(1, 4)))
