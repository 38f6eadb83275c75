"""Each operator's definition against torch, or against the sum written out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lowbit.ir import TensorType, ops
from lowbit.spec import BINARY, INT8, TERNARY, QuantSpec, odd, unsigned

rng = np.random.default_rng(0)


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def draw(spec, *shape):
    return rng.choice(np.arange(spec.lo, spec.hi + 1, spec.step), shape).astype(np.int32)


@pytest.mark.parametrize("x_spec", [BINARY, TERNARY, unsigned(2), unsigned(8), INT8])
@pytest.mark.parametrize("w_spec", [BINARY, TERNARY, odd(2), odd(8)])
@pytest.mark.parametrize(
    ("stride", "pad", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 4)]
)
def test_integer_convolution_is_torchs(x_spec, w_spec, stride, pad, dilation, groups):
    x, w = draw(x_spec, 2, 4, 7, 8), draw(w_spec, 8, 4 // groups, 3, 2)
    op = ops.Conv((stride,) * 2, ((pad, pad),) * 2, (dilation,) * 2, groups)
    want = F.conv2d(
        torch.from_numpy(x).double(),
        torch.from_numpy(w).double(),
        None,
        stride,
        pad,
        dilation,
        groups,
    )
    weight = channels_last(w)
    got = op.evaluate(channels_last(x), weight)
    np.testing.assert_array_equal(got, channels_last(want.numpy()))
    type_ = op.infer(TensorType((7, 8, 4), x_spec), TensorType(weight.shape, w_spec, weight))
    assert type_.shape == got.shape[1:]
    assert type_.spec.lo <= got.min()
    assert got.max() <= type_.spec.hi


def test_the_proved_range_is_reached():
    """Equation (1) is tight: inputs at its ends give its ends."""
    w = np.array([[1, -1, 1], [-1, -1, -1]])
    type_ = ops.Linear().infer(TensorType((3,), unsigned(2)), TensorType((2, 3), BINARY, w))
    assert type_.spec == QuantSpec(-9, 6)
    padded = ops.Conv((1,), ((1, 1),), (1,)).infer(
        TensorType((5, 1), QuantSpec(1, 1)),
        TensorType((1, 3, 1), QuantSpec(1, 1), np.ones((1, 3, 1))),
    )
    assert padded.spec == QuantSpec(0, 3)  # taps in the padding count 0


def test_pad_value_is_a_code():
    w = TensorType((1, 3, 1), BINARY, np.ones((1, 3, 1), np.int8))
    x = np.full((1, 2, 1), -1, np.int8)
    one = ops.Conv((1,), ((1, 1),), (1,), pad_value=1)
    assert one.evaluate(x, w.value).ravel().tolist() == [-1, -1]
    with pytest.raises(ValueError, match="the pad value 2 is 0 or a code"):
        ops.Conv((1,), ((1, 1),), (1,), pad_value=2).infer(TensorType((2, 1), BINARY), w)


def test_float_convolution_sums_in_the_stated_order():
    x = rng.normal(size=(1, 3, 3, 5)).astype(np.float32)
    w = rng.normal(size=(2, 3, 3, 5)).astype(np.float32)
    got = ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1)).evaluate(x, w)
    for o in range(2):
        total = np.float32(0)
        for a, b in zip(x[0].ravel(), w[o].ravel(), strict=True):
            total = np.float32(total + np.float32(a * b))
        assert got[0, 0, 0, o] == total


def test_threshold_at_ties_and_falling():
    t = np.array([[0, 2], [0, 2]])
    x = np.array([[-1, -1], [0, 0], [1, 1], [2, 2]])
    got = ops.Threshold(-1, 1, 1).evaluate(x, t, np.array([0, 1]))
    assert got.tolist() == [[-1, 1], [0, 0], [0, 0], [1, -1]]


def test_lookup_takes_the_channels_row():
    table = np.array([[5, 6, 7], [1, 2, 3]])
    assert ops.Lookup(-1).evaluate(np.array([[-1, 1]]), table).tolist() == [[5, 3]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_max_pool_is_torchs(dtype, kernel, stride, pad):
    x = rng.normal(scale=9, size=(2, 3, 7, 6)).astype(dtype)
    op = ops.MaxPool((kernel,) * 2, (stride,) * 2, ((pad, pad),) * 2, (1, 1))
    want = F.max_pool2d(torch.from_numpy(x).float(), kernel, stride, pad)
    np.testing.assert_array_equal(op.evaluate(channels_last(x)), channels_last(want.numpy()))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_average_pool_is_torchs_to_the_bit(dtype, include, kernel, stride, pad):
    x = rng.normal(scale=9, size=(2, 19, 7, 6)).astype(dtype)
    op = ops.AvgPool((kernel,) * 2, (stride,) * 2, ((pad, pad),) * 2, int(include))
    want = F.avg_pool2d(torch.from_numpy(x).float(), kernel, stride, pad, count_include_pad=include)
    np.testing.assert_array_equal(op.evaluate(channels_last(x)), channels_last(want.numpy()))


@pytest.mark.parametrize("positions", [1, 2, 3, 7, 49, 56])
def test_mean_is_the_layers(positions):
    from lowbit.nn import GlobalAvgPool2d

    x = rng.normal(size=(2, 5, positions, 1)).astype(np.float32)
    want = GlobalAvgPool2d().eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(ops.Mean().evaluate(channels_last(x)), want)


def test_concat_widens_the_alphabet():
    parts = [TensorType((2,), BINARY), TensorType((1,), unsigned(2))]
    assert ops.Concat(0).infer(*parts).spec == QuantSpec(-1, 3)


def test_arithmetic_rounds_each_operation_to_float32():
    x = np.array([16777216], np.int32)
    assert ops.Add().evaluate(x, np.float32(1)).dtype == np.float32
    assert ops.Add().evaluate(x, np.float32(1))[0] == 16777216
    with pytest.raises(ValueError, match="divisors are not zero"):
        ops.Div().infer(TensorType((1,)), TensorType((1,), None, np.zeros(1, np.float32)))


def test_a_window_that_misses_the_image_is_refused():
    over = ops.MaxPool((2,), (1,), ((1, 1),), (2,))
    with pytest.raises(ValueError, match="every window meets the image"):
        over.infer(TensorType((1, 4), BINARY))
    assert over.infer(TensorType((2, 4), BINARY)).shape == (2, 4)
