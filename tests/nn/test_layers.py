"""Batch norm, pooling, shifts and quantized gradients, each against what it is defined as."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lowbit.nn as lnn
from lowbit.nn.backward import quantized_gradient

NORMS = [
    (nn.BatchNorm1d, lnn.BatchNorm1d, (8, 5)),
    (nn.BatchNorm1d, lnn.BatchNorm1d, (8, 5, 7)),
    (nn.BatchNorm2d, lnn.BatchNorm2d, (8, 5, 4, 3)),
]
OPTIONS = [{}, {"affine": False}, {"eps": 1e-3, "momentum": 0.3}, {"track_running_stats": False}]


@pytest.mark.parametrize(("torch_type", "type_", "shape"), NORMS)
@pytest.mark.parametrize("options", OPTIONS)
def test_batch_norm_trains_as_torchs_and_evaluates_close_to_it(torch_type, type_, shape, options):
    theirs, ours = torch_type(5, **options), type_(5, **options)
    ours.load_state_dict(theirs.state_dict())
    for seed in range(3):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + seed
        assert torch.equal(ours(x), theirs(x))
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_is_one_multiply_and_one_add():
    norm, x = lnn.BatchNorm2d(3), torch.randn(4, 3, 5, 5)
    norm(3 * x + 1)
    norm.eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.3, -2.0, 0.0]))
        a = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        y = norm(x).numpy()
    a = (norm.weight * (1 / torch.sqrt(norm.running_var + norm.eps))).detach().numpy()
    b = norm.bias.detach().numpy() + -norm.running_mean.numpy() * a
    column = (-1, 1, 1)
    product = (x.numpy() * a.reshape(column)).astype(np.float32)
    np.testing.assert_array_equal(y, product + b.reshape(column))


def test_batch_norm_refuses_the_shapes_that_torchs_does():
    with pytest.raises(ValueError, match="expected 4D input"):
        lnn.BatchNorm2d(3).eval()(torch.randn(2, 3))


def halved(values):
    """The definition of lowbit::mean, in numpy float32."""
    count = len(values)
    while len(values) > 1:
        half = (len(values) + 1) // 2
        spare = len(values) - half
        values = np.concatenate([values[:spare] + values[half:], values[spare:half]])
    return values[0] / np.float32(count)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_pooling_adds_in_its_stated_order(height, width, seed):
    x = np.random.default_rng(seed).normal(size=(2, 3, height, width)).astype(np.float32)
    got = lnn.GlobalAvgPool2d().eval()(torch.from_numpy(x)).numpy()
    want = [[halved(x[n, c].ravel()) for c in range(3)] for n in range(2)]
    np.testing.assert_array_equal(got, np.array(want, np.float32))


@pytest.mark.parametrize("choice", [None, "dorefa:2", "lsq_plus:4", "absmax:8"])
def test_pooling_trains_and_evaluates_alike(choice):
    pool, x = lnn.GlobalAvgPool2d(3, input=choice), torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(pool.eval()(x), pool.train()(x))
    pool(x)
    if choice:
        torch.testing.assert_close(pool.eval()(x), pool.input_quantizer(x).mean((2, 3)))


def test_pooling_codes_is_an_exact_sum_divided_once():
    pool, x = lnn.GlobalAvgPool2d(input="dorefa:2"), torch.rand(2, 3, 5, 4)
    (term,) = pool.input_quantizer.terms(x)
    want = term.codes.sum((2, 3)) / 20 * term.scale
    assert torch.equal(pool.train()(x), want)
    assert torch.equal(pool.eval()(x), want)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 1, 1), (1, 2, 7, 3)])
def test_the_mean_operator_passes_torchs_own_checks(shape):
    x = torch.randn(shape, requires_grad=True)
    torch.library.opcheck(torch.ops.lowbit.mean.default, (x,))
    (got,) = torch.autograd.grad(torch.ops.lowbit.mean(x).square().sum(), x)
    (want,) = torch.autograd.grad(x.mean((2, 3)).square().sum(), x)
    torch.testing.assert_close(got, want)


def test_pooling_survives_export():
    pool, x = lnn.GlobalAvgPool2d().eval(), torch.randn(2, 3, 5, 4)
    exported = torch.export.export(pool, (x,))
    assert torch.ops.lowbit.mean.default in [node.target for node in exported.graph.nodes]
    assert torch.equal(exported.module()(x), pool(x))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 5, 4)])
def test_rprelu_and_shift_are_reactnets(shape):
    x = torch.randn(shape)
    act, shift = lnn.RPReLU(3), lnn.LearnedShift(3)
    with torch.no_grad():
        for p in (*act.parameters(), *shift.parameters()):
            p.normal_()
        column = (-1,) + (1,) * (len(shape) - 2)
        gamma, beta, zeta = (p.view(column) for p in (act.gamma, act.beta, act.zeta))
        centred = x - gamma
        assert torch.equal(act(x), torch.where(centred > 0, centred, beta * centred) + zeta)
        assert torch.equal(shift(x), x + shift.bias.view(column))


@pytest.mark.parametrize("bits", range(1, 9))
def test_quantized_gradients_lie_on_their_grid_and_are_right_on_average(bits):
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(4, 6, generator=generator) * torch.tensor([[1e-6], [1.0], [1e3], [0.0]])
    drawn = torch.stack([quantized_gradient(g, bits, generator) for _ in range(3000)])
    n, most = 2**bits - 1, g.abs().amax(1, keepdim=True)
    index = (drawn[:, :3] / (2 * most[:3]) + 0.5) * n
    torch.testing.assert_close(index, index.round(), rtol=0, atol=1e-3)
    assert index.round().min() >= 0
    assert index.round().max() <= n
    inside = g.abs() < 0.999 * most  # the largest is clipped on one side only, and biased
    spread = 2 * most / n
    error = ((drawn.mean(0) - g).abs() / spread.clamp_min(1e-30))[inside & (most > 0)]
    assert error.max() < 0.05
    assert drawn[:, 3].abs().max() < 1e-20


def test_quantize_gradient_is_the_identity_forwards_and_repeats():
    def run():
        layer = lnn.QuantizeGradient(2, torch.Generator().manual_seed(3))
        x = torch.linspace(-1, 1, 12).view(2, 6).requires_grad_()
        y = layer(x)
        assert torch.equal(y, x)
        y.backward(torch.linspace(-3, 2, 12).view(2, 6))
        return x.grad

    assert torch.equal(run(), run())
    assert run().unique().numel() <= 8  # four levels a sample


def test_quantize_gradient_leaves_no_trace_in_an_export():
    exported = torch.export.export(lnn.QuantizeGradient(4).eval(), (torch.randn(2, 3),))
    assert not [n for n in exported.graph.nodes if n.op == "call_function"]


@pytest.mark.parametrize("bits", [0, 9])
def test_quantize_gradient_has_1_to_8_bits(bits):
    with pytest.raises(ValueError, match="QuantizeGradient has 1 to 8 bits"):
        lnn.QuantizeGradient(bits)
