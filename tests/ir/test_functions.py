"""Functions, reductions and products of tensors against torch or float64."""

import numpy as np
import pytest
import torch

from lowbit.ir import InvalidGraph, TensorType, ops
from lowbit.nn import stated  # noqa: F401  registers the operators
from lowbit.spec import INT8, unsigned

rng = np.random.default_rng(0)
EDGES = np.array([0.0, -0.0, 1e-30, -1e-30, 0.5, -86.0, 88.0, -86.00001, 100.0, -1e4, 1e30])
VALUES = np.concatenate([EDGES, rng.normal(size=4000) * 30]).astype(np.float32)
OURS = torch.ops.lowbit


def units_off(got, want) -> float:
    """The largest error in units of the last place of the right answer."""
    return float(np.abs((got - want) / np.spacing(np.abs(want).astype(np.float32))).max())


def test_exp_is_exact_to_two_units():
    x = VALUES[(VALUES >= -86) & (VALUES <= 88)]
    assert units_off(ops.Exp().evaluate(x).astype(np.float64), np.exp(x.astype(np.float64))) < 1.5
    assert ops.Exp().evaluate(np.float32([-86.5, -1e30])).tolist() == [0, 0]
    assert np.isfinite(ops.Exp().evaluate(np.float32([1e30]))).all()


@pytest.mark.parametrize(
    ("op", "torchs", "x"),
    [
        (ops.Exp(), OURS.exp, VALUES),
        (ops.Sigmoid(), OURS.sigmoid, VALUES),
        (ops.Sqrt(), OURS.sqrt, np.abs(VALUES)),
        (ops.Sum(1), OURS.sum, VALUES[:3993].reshape(11, 3, 121)),
        (ops.Sum(1), OURS.sum, VALUES[:7, None]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_torch_computes_the_definition(op, torchs, x):
    np.testing.assert_array_equal(op.evaluate(x), torchs(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("shape", [(2, 5, 7), (3, 1, 1)])
def test_matmul_is_summed_in_order_of_depth(shape):
    m, k, n = shape
    a, b = (rng.normal(size=(4, *s)).astype(np.float32) for s in ((m, k), (k, n)))
    want = np.zeros((4, m, n), np.float32)
    for i in np.ndindex(4, m, n):
        for j in range(k):
            want[i] = np.float32(want[i] + np.float32(a[i[0], i[1], j] * b[i[0], j, i[2]]))
    np.testing.assert_array_equal(ops.MatMul((0, 0)).evaluate(a, b), want)
    got = OURS.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_array_equal(got, want)


def test_matmul_of_codes_is_exact_around_the_zero_points():
    a, b = rng.integers(0, 256, (2, 3, 40)), rng.integers(-128, 128, (2, 40, 5))
    got = ops.MatMul((7, -3)).evaluate(a, b)
    np.testing.assert_array_equal(got, (a - 7) @ (b + 3))
    type_ = ops.MatMul((7, -3)).infer(TensorType((3, 40), unsigned(8)), TensorType((40, 5), INT8))
    assert type_.spec.lo <= got.min()
    assert got.max() <= type_.spec.hi
    assert type_.spec.hi == 248 * 130 * 40


def test_places():
    x = rng.integers(0, 9, (2, 3, 4, 2))
    spread = ops.Spread((2, 3), 5).evaluate(x)
    assert spread.shape == (2, 5, 10, 2)
    np.testing.assert_array_equal(spread[:, ::2, ::3], x)
    assert (spread[:, 1] == 5).all()
    padded = ops.Pad(((1, 0), (0, 2)), -1).evaluate(x)
    np.testing.assert_array_equal(padded[:, 1:, :4], x)
    assert (padded[:, 0] == -1).all()
    taken = ops.ResizeNearest((6, 2)).evaluate(x)
    np.testing.assert_array_equal(taken, x[:, [0, 0, 1, 1, 2, 2]][:, :, [0, 2]])
    np.testing.assert_array_equal(ops.Slice(1, 1, 4, 2).evaluate(x), x[:, :, 1:4:2])


REFUSED = {
    "unpaired": (ops.MatMul((0, 0)), [(2, 3, 4), (3, 4, 5)], "paired"),
    "depths": (ops.MatMul((0, 0)), [(3, 4), (5, 4)], "depths agree"),
    "a zero point of floats": (ops.MatMul((1, 0)), [(3, 4), (4, 4)], "no zero point"),
    "axes": (ops.Max(3), [(3, 4)], "1 to 2 axes"),
    "an empty slice": (ops.Slice(0, 2, 2, 1), [(3,)], "lies in 0:3"),
    "a negative pad": (ops.Pad(((-1, 0),), 0), [(3, 4)], ">= 0"),
    "a gap of nothing": (ops.Spread((0,), 0), [(3, 4)], "strides in"),
    "no side": (ops.ResizeNearest((0,)), [(3, 4)], "at least 1"),
}


@pytest.mark.parametrize(("op", "shapes", "words"), REFUSED.values(), ids=REFUSED)
def test_refusals(op, shapes, words):
    with pytest.raises(InvalidGraph, match=words):
        op.infer(*(TensorType(s, None) for s in shapes))


def test_an_index_stays_inside_its_table():
    table = TensorType((3, 2), None, np.zeros((3, 2), np.float32))
    assert ops.Embed().infer(TensorType((5,), unsigned(1)), table).shape == (5, 2)
    with pytest.raises(InvalidGraph, match="below 3"):
        ops.Embed().infer(TensorType((5,), unsigned(2)), table)
