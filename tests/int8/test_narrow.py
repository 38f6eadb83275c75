"""Fewer than 8 bits in activations too: the same rules over a smaller alphabet."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lowbit import pack
from lowbit.int8 import ptq
from lowbit.int8.methods import METHODS, mse, squared_error
from lowbit.int8.statistics import Statistics
from lowbit.ir import evaluate, verify
from lowbit.runtime import Network
from lowbit.spec import INT8, signed

forms = pytest.mark.parametrize("form", ["D", "F"])


def decibels(want: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10((want**2).sum() / ((want - got) ** 2).sum()))


@forms
@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(4, 4), (2, 8), (2, 2)])
def test_what_is_saved_runs_as_defined(case, form, weight_bits, activation_bits):
    model, batches = case
    bits = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    graph = ptq(model, batches, "mse", form=form, integer_only=True, **bits)
    assert [t.spec for t in graph.inputs.values()] == [signed(activation_bits)]
    assert all(t.spec is not None for t in verify(graph).values() if t.value is None)
    end = 2 ** (activation_bits - 1)
    x = np.random.default_rng(0).integers(-end, end, batches[0].shape).astype(np.int8)
    (want,) = evaluate(graph, x)
    assert -end <= want.min() < want.max() < end
    np.testing.assert_array_equal(Network(pack.parse(pack.serialize(graph)), batch=5)(x), want)


@forms
def test_fewer_bits_cost_more(plain_case, form):
    model, batches = plain_case
    want, x = model(batches[0]).detach().numpy(), batches[0].numpy()
    heard = [
        decibels(want, evaluate(ptq(model, batches, "mse", form=form, activation_bits=b), x)[0])
        for b in (8, 6, 4, 3)
    ]
    assert heard == sorted(heard, reverse=True)
    assert heard[2] > 20


def seen(x: Tensor) -> Statistics:
    statistics = Statistics("x")
    statistics.see(x)
    statistics.end_batch()
    return statistics


def test_ranges_are_chosen_for_the_codes_that_there_are():
    """With 16 codes, cutting tails is worth more than with 256."""
    torch.manual_seed(0)
    found, four = seen(torch.randn(100_000)), signed(4)
    ends = {spec: mse(found, spec) for spec in (INT8, four)}
    assert ends[four][1] < 0.8 * ends[INT8][1]
    assert squared_error(found, *ends[four], four) < squared_error(found, *ends[INT8], four)
    for method in METHODS.values():
        lo, hi = method(found, four)
        assert lo < 0 < hi


class ToFloat(nn.Module):
    def forward(self, x):
        return x.float() / 255


def test_bytes_that_enter_are_rounded_to_the_codes_that_there_are():
    torch.manual_seed(0)
    model = nn.Sequential(ToFloat(), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    batch = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8)
    graph = ptq(model.eval(), [batch], activation_bits=6)
    want, got = model(batch).detach().numpy(), evaluate(graph, batch.numpy())[0]
    assert decibels(want, got) > 20
    np.testing.assert_array_equal(Network(graph, 8)(batch.numpy()), got)


def test_a_softmax_stays_float():
    model = nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)).eval()
    graph = ptq(model, [torch.randn(16, 4)], activation_bits=4)
    assert [n for n in graph.notes if "softmax" in n]
