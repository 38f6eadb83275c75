"""Bop against its paper, the joined optimizer against its parts, clipping at the edges."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lowbit import nn as lnn
from lowbit.optim import Bop, SplitOptimizer, bop_and_adam, clip_latent_weights, split_parameters
from lowbit.quant.gradient import Triangle


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        lnn.Linear(6, 8, weight="ste_sign"),
        lnn.BatchNorm1d(8),
        lnn.Linear(8, 3, weight="ste_sign", input="ste_sign", bias=False),
    )


def train(net, optimizer, steps, scheduler=None, first=0):
    for step in range(first, first + steps):
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        if scheduler:
            scheduler.step()


def bop_by_the_paper(w, gradients, gamma, tau):
    m = np.zeros_like(w)
    for g in gradients:
        m = (1 - gamma) * m + gamma * g
        w = np.where((np.abs(m) > tau) & (np.sign(m) == np.sign(w)), -w, w)
    return w, m


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1), st.floats(0, 0.5))
def test_bop_is_algorithm_1(seed, gamma, tau):
    rng = np.random.default_rng(seed)
    w = nn.Parameter(torch.from_numpy(rng.normal(size=20)))
    start = np.where(w.detach().numpy() >= 0, 1.0, -1.0)
    gradients = rng.normal(size=(5, 20))
    optimizer = Bop([w], gamma, tau)
    for g in gradients:
        w.grad = torch.from_numpy(g)
        optimizer.step()
    want, m = bop_by_the_paper(start, gradients, gamma, tau)
    np.testing.assert_array_equal(w.detach().numpy(), want)
    np.testing.assert_allclose(optimizer.state[w]["m"].numpy(), m, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("gradient", "after"), [(0.5, 1.0), (0.51, -1.0), (-9.0, 1.0)])
def test_a_weight_flips_above_the_threshold_and_along_the_gradient(gradient, after):
    w = nn.Parameter(torch.tensor([1.0]))
    w.grad = torch.tensor([gradient])
    Bop([w], lr=1.0, threshold=0.5).step()
    assert w.item() == after


def test_bop_starts_from_signs_with_zero_positive():
    w = nn.Parameter(torch.tensor([-0.3, -0.0, 0.0, 2.0]))
    Bop([w])
    assert w.tolist() == [-1, 1, 1, 1]


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"lr": 1.5}, {"threshold": -1.0}])
def test_bop_refuses_what_cannot_be(wrong):
    with pytest.raises(ValueError, match="Bop has"):
        Bop([nn.Parameter(torch.zeros(1))], **wrong)


def test_split_finds_the_binary_weights():
    net = model()
    binary, rest = split_parameters(net)
    assert [p.shape for p in binary] == [(8, 6), (3, 8)]
    assert [p.shape for p in rest] == [(8,), (8,), (8,)]


def test_the_joined_optimizer_is_its_parts_to_the_bit():
    one, other = model(), model()
    train(one, bop_and_adam(one, lr=0.01, gamma=0.1), 5)
    binary, rest = split_parameters(other)
    parts = [Bop(binary, 0.1), torch.optim.Adam(rest, 0.01)]
    for step in range(5):
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(step))
        other.zero_grad()
        other(x).square().mean().backward()
        for part in parts:
            part.step()
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    assert all(p.abs().eq(1).all() for p in binary)


def test_a_restored_run_is_equal_to_the_bit(tmp_path):
    def start():
        net = model()
        optimizer = bop_and_adam(net, lr=0.01, gamma=0.1)
        return net, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    straight, optimizer, scheduler = start()
    train(straight, optimizer, 8, scheduler)

    net, optimizer, scheduler = start()
    train(net, optimizer, 5, scheduler)
    states = [copy.deepcopy(x.state_dict()) for x in (net, optimizer, scheduler)]
    torch.save(states, tmp_path / "state")

    fresh = start()
    for part, state in zip(fresh, torch.load(tmp_path / "state", weights_only=True), strict=True):
        part.load_state_dict(state)
    train(fresh[0], fresh[1], 3, fresh[2], first=5)
    assert all(map(torch.equal, straight.parameters(), fresh[0].parameters()))


def test_schedulers_reach_every_part():
    net = model()
    optimizer = bop_and_adam(net, lr=0.01, gamma=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    train(net, optimizer, 1, scheduler)
    rates = [group["lr"] for part in optimizer.optimizers for group in part.param_groups]
    assert rates == [0.05, 0.005]


def test_a_closure_runs_once_with_gradients():
    net, calls = model(), []
    optimizer = bop_and_adam(net)

    def closure():
        calls.append(torch.is_grad_enabled())
        loss = net(torch.ones(4, 6)).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) is not None
    assert calls == [True]


def test_a_group_that_no_part_would_step_is_refused():
    optimizer = SplitOptimizer(Bop([nn.Parameter(torch.ones(1))]))
    with pytest.raises(TypeError, match="no part would step"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})


def test_a_model_without_binary_weights_is_refused():
    with pytest.raises(ValueError, match="no layer of the model"):
        bop_and_adam(nn.Linear(2, 2))


def test_a_gradient_that_vanishes_at_one_is_refused():
    net = nn.Sequential(lnn.Linear(2, 2, weight="ste_sign"))
    net[0].weight_quantizer.gradient = Triangle()
    with pytest.raises(ValueError, match="0: its weight quantizer passes no gradient"):
        bop_and_adam(net)


def test_clipping_touches_binary_weights_only():
    net = nn.Sequential(lnn.Linear(1, 3, weight="ste_sign"), nn.Linear(3, 3), lnn.Linear(3, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(2.0)
        net[0].weight.copy_(torch.tensor([[-1.5], [0.5], [1.25]]))
    clip_latent_weights(net, 1.25)
    assert net[0].weight.flatten().tolist() == [-1.25, 0.5, 1.25]
    assert net[0].bias.eq(2).all()
    assert net[1].weight.eq(2).all()
    assert net[2].weight.eq(2).all()


def test_centring_takes_each_filters_mean_off_first():
    net = nn.Sequential(lnn.Linear(2, 1, weight="ste_sign"))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[4.0, 1.0]]))
    clip_latent_weights(net, 1.0, centre=True)
    assert net[0].weight.tolist() == [[1.0, -1.0]]
