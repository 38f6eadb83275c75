"""The program runner against the meaning of each instruction, around every vector and word."""

import numpy as np
import pytest
from guard import guarded

from lowbit.kernels import layout
from lowbit.kernels.program import Op, generic, reference
from lowbit.kernels.program.assemble import assemble, link
from lowbit.runtime.program import guessed
from lowbit.spec import BINARY, TERNARY, QuantSpec, odd, unsigned

WIDTHS = (1, 15, 16, 17, 63, 64, 65, 130)
PIXELS = 5


def run_both(steps, values: np.ndarray, out: np.ndarray) -> None:
    """`out` is what the steps store to; both runners must leave the same there."""
    code, (pixels, width) = link(assemble(steps)), values.shape
    reference.run(code.ctypes.data, values.copy(), 0)
    want = out.copy()
    out[:] = out.dtype.type(0)
    stride = (width + 63) // 64 * 64
    scratch = np.full((pixels + 1, stride), 77, values.dtype)
    scratch[:pixels, :width] = values
    generic.runner()(code.ctypes.data, scratch.ctypes.data, 0, pixels, 0, width, stride)
    np.testing.assert_array_equal(out, want)


def vector(values, dtype=np.float32) -> np.ndarray:
    padded = np.zeros(len(values) + 64, dtype)
    padded[: len(values)] = values
    return padded


def word_store(out):
    return {"op": Op.STORE_WORD, "at": out.ctypes.data, "row": 4 * out.shape[1]}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "op", [Op.ADD, Op.SUB, Op.SUB_FROM, Op.MUL, Op.DIV, Op.PRELU, Op.RELU, Op.CLAMP]
)
def test_float_arithmetic(op, width):
    rng = np.random.default_rng(width)
    x, y = rng.normal(size=(PIXELS, width)).astype(np.float32), vector(rng.normal(size=width))
    high, out = vector(y[:width] + 1), np.zeros_like(x)
    run_both([{"op": op, "at": y.ctypes.data, "second": high.ctypes.data}, word_store(out)], x, out)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_chain_reads_a_vector_past_its_operands_and_writes_nothing_there(width):
    """A load, a sum and a store, each of a tensor that ends at a page, but for the slack."""
    rng = np.random.default_rng(width)
    x, y, z = (rng.normal(size=(PIXELS, width)).astype(np.float32) for _ in range(3))
    y, z = guarded(y, layout.SLACK), guarded(z, layout.SLACK)
    row, out = 4 * width, guarded(np.zeros_like(x))
    codes = guarded(np.zeros((PIXELS, width), np.int8))
    steps = [
        {"op": Op.LOAD_WORD, "at": y.ctypes.data, "row": row},
        {"op": Op.ADD, "at": z.ctypes.data, "row": row},
        word_store(out),
        {"op": Op.STORE_BYTE, "at": codes.ctypes.data, "row": width},
    ]
    run_both(steps, x, out)
    np.testing.assert_array_equal(out, y + z)
    np.testing.assert_array_equal(codes, out.view(np.int32).astype(np.int8))


@pytest.mark.parametrize(("div", "mod"), [(1, 0), (2, 0), (1, 3), (2, 2)])
def test_operands_repeat_over_pixels(div, mod):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, 20)).astype(np.float32) for n in (PIXELS, PIXELS + 2))
    out = np.zeros_like(x)
    add = {"op": Op.ADD, "at": y.ctypes.data, "row": 80, "div": div, "mod": mod}
    run_both([add, word_store(out)], x, out)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("spec", [BINARY, TERNARY, unsigned(2), odd(2), odd(4)], ids=str)
def test_planes_are_stored_and_loaded(width, spec):
    rng = np.random.default_rng(width)
    codes = (rng.integers(0, spec.levels, (PIXELS, width)) * spec.step + spec.lo).astype(np.int32)
    planes = np.zeros((PIXELS, spec.bits, layout.words(width)), np.uint64)
    named = {"lo": spec.lo, "step": spec.step, "planes": spec.bits, "channels": width}
    place = {"at": planes.ctypes.data, "row": 8 * planes[0].size, **named}
    run_both([{"op": Op.STORE_PLANES, **place}], codes, planes)
    out = np.zeros_like(codes)
    run_both([{"op": Op.LOAD_PLANES, **place}, word_store(out)], np.zeros_like(codes), out)
    np.testing.assert_array_equal(out, codes)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("levels", [1, 3, 15, 16, 255])
@pytest.mark.parametrize("width", [1, 17, 64])
def test_thresholds_count_what_they_reach(dtype, levels, width):
    rng = np.random.default_rng(levels)
    t = np.sort(rng.integers(-40, 40, (width, levels)), 1).astype(dtype)
    x = rng.integers(-50, 50, (PIXELS, width)).astype(dtype)
    falling = rng.integers(0, 2, width)
    base = vector(np.where(falling, levels - 7, -7), np.int32)
    slope = vector(np.where(falling, -1, 1), np.int32)
    step = {"levels": levels, "second": base.ctypes.data, "third": slope.ctypes.data}
    out = np.zeros((PIXELS, width), np.int32)
    rows = np.stack([vector(column, dtype) for column in t.T])
    kind = "FLOAT" if dtype == np.float32 else "INT"
    for op, at, more in (
        (Op[f"THRESHOLD_{kind}"], rows, {"channels": rows.shape[1]}),
        (Op[f"SEARCH_{kind}"], t, {"by_channel": 1}),
    ):
        run_both([{"op": op, "at": at.ctypes.data, **step, **more}, word_store(out)], x, out)
        count = (x[:, :, None] >= t).sum(2)
        np.testing.assert_array_equal(out, np.where(falling, levels - count, count) - 7)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("width", WIDTHS)
def test_equal_steps_by_arithmetic(dtype, width):
    rng = np.random.default_rng(width)
    x = rng.integers(-9000, 9000, (PIXELS, width)).astype(dtype)
    a, b = (vector(rng.uniform(0.01, 0.1, width), np.float32) for _ in range(2))
    base, slope = vector(np.full(width, -128), np.int32), vector(np.ones(width), np.int32)
    line = np.concatenate([a, b])
    kind = "FLOAT" if dtype == np.float32 else "INT"
    step = {"op": Op[f"STEPS_{kind}"], "at": line.ctypes.data, "lo": a.nbytes, "levels": 255}
    step |= {"second": base.ctypes.data, "third": slope.ctypes.data}
    out = np.zeros((PIXELS, width), np.int32)
    run_both([step, word_store(out)], x, out)
    assert len(np.unique(out)) > 1 or width == 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("op", [Op.STEPS_NEAREST, Op.STEPS_QUOTIENT])
def test_rounded_products_and_quotients(width, op):
    rng = np.random.default_rng(width)
    a = vector(rng.uniform(1, 300, width))
    halves = (rng.integers(-4, 600, (PIXELS, width)) / 2).astype(np.float32)
    x = halves / a[:width] if op == Op.STEPS_NEAREST else halves * a[:width]
    x[0, 0], x[1, 0], x[2, 0] = np.nan, np.inf, -np.inf
    base, slope = vector(np.full(width, 255), np.int32), vector(np.full(width, -1), np.int32)
    step = {"op": op, "at": a.ctypes.data, "levels": 255}
    step |= {"second": base.ctypes.data, "third": slope.ctypes.data}
    out = np.zeros((PIXELS, width), np.int32)
    run_both([step, word_store(out)], x, out)
    assert out[:3, 0].tolist() == [255, 0, 255]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_a_guess_that_is_off_by_one_is_set_right(width, by_channel, dtype):
    """Thresholds shaken by less than a step, and the line that they were shaken from."""
    rng = np.random.default_rng(width)
    rows, step = width if by_channel else 1, 0.07 if dtype == np.float32 else 700
    even = np.arange(255) + rng.uniform(-0.4, 0.4, (rows, 255))
    t = (even * step - 9 * step).astype(dtype)
    line = (np.full(rows, 1 / step), np.full(rows, 10.0))
    below = np.nextafter(t, dtype(-99)) if dtype == np.float32 else t - 1
    x = rng.choice(np.concatenate([t, below], 1)[0], (PIXELS, width)).astype(dtype)
    if dtype == np.float32:
        x[0, 0], x[1, 0], x[2, 0] = np.nan, np.inf, -np.inf
    base, slope = vector(np.full(width, -128), np.int32), vector(np.ones(width), np.int32)
    made = guessed(t, line, width)
    block, out = made["at"], np.zeros((PIXELS, width), np.int32)
    made |= {"at": block.ctypes.data, "levels": 255}
    made |= {"second": base.ctypes.data, "third": slope.ctypes.data}
    run_both([made, word_store(out)], x, out)
    row = t if by_channel else np.broadcast_to(t, (width, 255))
    np.testing.assert_array_equal(out, (x[:, :, None] >= row).sum(2) - 128)


@pytest.mark.parametrize("width", WIDTHS)
def test_bytes_and_floats_are_stored_exactly_as_far_as_they_go(width):
    codes = np.arange(PIXELS * width, dtype=np.int32).reshape(PIXELS, width) % 256 - 128
    signed, floats = np.zeros((PIXELS, width), np.int8), np.zeros((PIXELS, width), np.float32)
    run_both([{"op": Op.STORE_BYTE, "at": signed.ctypes.data, "row": width}], codes, signed)
    as_float = {"op": Op.STORE_AS_FLOAT, "at": floats.ctypes.data, "row": 4 * width}
    run_both([as_float], codes, floats)


def test_the_index_of_an_alphabet_is_what_is_packed():
    spec = QuantSpec(-3, 3, 2)
    planes = layout.pack(np.array([[-3, -1, 1, 3]]), spec)
    assert planes.tolist() == [[[0b1010], [0b1100]]]
    assert layout.unpack(planes, 4, spec).tolist() == [[-3, -1, 1, 3]]
