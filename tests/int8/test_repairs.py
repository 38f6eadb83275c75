"""Equalization and bias correction: what they keep, and what they win."""

import pytest
import torch
from torch import nn

from lowbit.exporter.capture import capture
from lowbit.int8 import ptq
from lowbit.int8.calibrate import interpret
from lowbit.int8.equalize import equalize
from lowbit.int8.fold import with_torch_norms
from lowbit.int8.hoist import hoist
from lowbit.ir import evaluate


def uneven(shape: tuple[int, ...] = (3, 8, 8)) -> tuple[nn.Module, list[torch.Tensor]]:
    """Channels of magnitudes from 1 to 1000, evened out again by the next layer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1)
    )
    s = torch.logspace(0, 3, 8)
    with torch.no_grad():
        model[0].weight *= s[:, None, None, None]
        model[0].bias *= s
        model[2].weight /= s.flip(0)[:, None, None, None]
        model[2].bias.zero_()
        model[4].weight *= (s.flip(0) / s)[None, :, None, None]
    return model.eval(), [torch.randn(16, *shape) for _ in range(2)]


def decibels(want, got) -> float:
    return float(10 * torch.log10((want**2).sum() / ((want - torch.from_numpy(got)) ** 2).sum()))


def heard(model, batches, **choices) -> float:
    graph = ptq(model, batches, **choices)
    return decibels(model(batches[0]).detach(), evaluate(graph, batches[0].numpy())[0])


def test_equalization_keeps_the_function_and_evens_the_channels():
    model, batches = uneven()
    captured = capture(model, (batches[0],))
    assert equalize(captured) == 2
    (got,) = interpret(captured, (batches[0],), lambda node, x: None)
    torch.testing.assert_close(got, model(batches[0]), rtol=1e-3, atol=1e-3)


def test_equalization_recovers_per_tensor_weights():
    model, batches = uneven()
    before = heard(model, batches, per_channel=False)
    after = heard(model, batches, per_channel=False, equalized=True)
    assert after > before + 10
    assert after > 20


@pytest.mark.parametrize("bits", [3, 4])
def test_bias_correction_helps_few_bits(bits):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)).eval()
    batches = [torch.rand(64, 16) + 0.5 for _ in range(4)]
    plain = heard(model, batches, weight_bits=bits)
    corrected = heard(model, batches, weight_bits=bits, bias_corrected=True)
    assert corrected > plain + 3


def pooled(gamma: float) -> tuple[nn.Module, list[torch.Tensor]]:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(8)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2, padding=1), norm, nn.ReLU())
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.weight[3] = gamma
        norm.bias.normal_()
        norm.running_mean.normal_()
    return model.eval(), [torch.randn(16, 3, 8, 8) for _ in range(2)]


@pytest.mark.parametrize(("gamma", "moved"), [(1.0, True), (0.0, True), (-1.0, False)])
def test_a_rising_norm_and_a_clamp_are_put_before_the_pooling_behind_which_they_were(gamma, moved):
    model, batches = pooled(gamma)
    names = [type(node.op).__name__ for node in ptq(model, batches).nodes]
    assert names.count("Conv") == (1 if moved else 2)
    assert heard(model, batches) > 35


def test_moving_them_keeps_the_function():
    model, batches = pooled(1.0)
    captured = capture(with_torch_norms(model), (batches[0],))
    before = [node.target for node in captured.operations]
    hoist(captured)
    captured.operations[0].graph.lint()
    assert [node.target for node in captured.operations] == [before[i] for i in (0, 2, 3, 1)]
    (got,) = interpret(captured, (batches[0],), lambda node, x: None)
    torch.testing.assert_close(got, model(batches[0]))
