"""Bisected thresholds against every value of the range."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lowbit.nn as lnn
from lowbit.exporter import export
from lowbit.ir import ops
from lowbit.ir.evaluate import trace


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
@settings(max_examples=15, deadline=None)
def test_every_accumulator_gives_torchs_code(seed, bits):
    """A linear layer of one input per output: the accumulator takes every value of its range."""
    torch.manual_seed(seed)
    norm = lnn.BatchNorm1d(6)
    norm.running_mean.normal_(0, 20)
    norm.running_var.uniform_(1, 400)
    with torch.no_grad():
        norm.weight.normal_()
        norm.weight[0] = 0
        norm.bias.normal_()
    first = lnn.Linear(1, 6, weight="ste_sign", input="image8")
    last = lnn.Linear(6, 2, weight="ste_sign", input=f"dorefa:{bits}")
    model = torch.nn.Sequential(first, norm, last).eval()
    x = torch.arange(256.0)[:, None] / 255
    graph = export(model, x)
    step = [n for n in graph.nodes if isinstance(n.op, ops.Threshold)][1]
    with torch.no_grad():
        (term,) = last.input_quantizer.terms(norm(first(x)))
    np.testing.assert_array_equal(trace(graph, x.numpy())[step.output], term.codes.numpy())


@pytest.mark.parametrize("shift", [0.0, 0.1, -3.5, 1e-30])
def test_float_roots_are_bisected_to_the_last_bit(shift):
    """Around the threshold of sign(x + b), neighbouring floats fall on their own sides."""

    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = lnn.LearnedShift(1)
            self.layer = lnn.Linear(1, 1, bias=False, weight="ste_sign", input="ste_sign")

        def forward(self, x):
            return self.layer(self.shift(x))

    model = Shifted().eval()
    with torch.no_grad():
        model.shift.bias.fill_(shift)
        model.layer.weight.fill_(1)
    centre = np.float32(-shift)
    near = [centre]
    for direction in (np.inf, -np.inf):
        value = centre
        for _ in range(5):
            near.append(value := np.nextafter(value, np.float32(direction)))
    x = torch.tensor(np.array(near, np.float32))[:, None]
    graph = export(model, x)
    with torch.no_grad():
        want = model(x).numpy()
    np.testing.assert_array_equal(trace(graph, x.numpy())[graph.outputs[0]], want)
