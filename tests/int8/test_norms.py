"""Batch norms that fold into nothing are products of their own, exact a channel."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lowbit.int8 import ptq
from lowbit.int8.parameters import Parameters, clamp_codes
from lowbit.ir import evaluate, ops, verify


def pooled(sides: int = 2) -> nn.Module:
    """Convolution, pool, norm, activation."""
    torch.manual_seed(0)
    conv, norm, pool = (
        (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
        if sides == 2
        else (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d)
    )
    layers = [conv(2, 6, 3), pool(2), norm(6), nn.ReLU(), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(6 * 3**sides, 5)).eval()
    bn = next(m for m in model if isinstance(m, norm))
    nn.init.normal_(bn.running_mean)
    nn.init.uniform_(bn.running_var, 0.5, 2)
    nn.init.uniform_(bn.weight, 0.1, 2)
    nn.init.normal_(bn.bias)
    return model


def with_negative_gamma(model: nn.Module) -> nn.Module:
    norm = next(m for m in model if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d))
    with torch.no_grad():
        norm.weight[2] *= -1
    return model


def images(sides: int = 2) -> Tensor:
    return torch.randn(16, 2, *(8,) * sides)


def decibels(model: nn.Module, x: Tensor, **choices) -> float:
    want, got = (
        model(x).detach(),
        torch.from_numpy(evaluate(ptq(model, [x], **choices), x.numpy())[0]),
    )
    return float(10 * torch.log10((want**2).sum() / ((want - got) ** 2).sum()))


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("sides", [1, 2])
def test_a_norm_that_stays_is_an_exact_product_a_channel(sides, bits):
    model, x = with_negative_gamma(pooled(sides=sides)), images(sides)
    graph = ptq(model, [x], integer_only=True, weight_bits=bits)
    assert all(t.spec is not None for t in verify(graph).values() if t.value is None)
    assert not any(isinstance(n.op, ops.Lookup) for n in graph.nodes)
    norm = next(n for n in graph.nodes if "batch_norm" in n.output)
    weights = graph.constant(norm.inputs[1])
    assert weights.shape == (6, *(1,) * (sides + 1))
    assert (abs(weights) == 127).all()
    assert decibels(model, x) > 30


def test_a_norm_without_sides_is_a_table():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 4)).eval()
    nn.init.uniform_(model[0].running_var, 0.5, 2)
    assert decibels(model, torch.randn(32, 8)) > 30


@pytest.mark.parametrize(
    ("scale", "want"), [(1e-38, (0, 127)), (1.0, (-10, -4)), (1e38, (-10, -10))]
)
def test_the_ends_of_a_clamp_are_codes_for_any_scale(scale, want):
    zero = 0 if scale < 1 else -10
    assert clamp_codes(Parameters(scale, zero), 0.0, 6.0) == want
    assert clamp_codes(Parameters(scale, zero), 0.0, np.inf) == (zero, 127)
