"""16-bit activations with 8-bit weights: near the float model, exact in the runtime."""

import numpy as np
import pytest
import torch
from torch import nn

import lowbit
from lowbit.exporter import ExportError
from lowbit.int8 import ptq
from lowbit.ir import evaluate, ops
from lowbit.runtime import Network
from lowbit.spec import signed


def decibels(want, got) -> float:
    return 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum())


def test_networks_keep_more_than_with_8_bits(case):
    model, batches = case
    want, x = model(batches[0]).detach().numpy(), batches[0].numpy()
    wide, narrow = (ptq(model, batches, activation_bits=b) for b in (16, 8))
    (got,) = evaluate(wide, x)
    assert decibels(want, got) > decibels(want, evaluate(narrow, x)[0]) + 3
    np.testing.assert_array_equal(Network(wide, 3)(x), got)
    np.testing.assert_array_equal(Network(wide, 3, kernel="reference")(x), got)


def test_integers_alone_are_int16_and_survive_the_file(plain_case, tmp_path):
    model, batches = plain_case
    graph = ptq(model, batches, activation_bits=16, integer_only=True)
    assert [t.spec for t in graph.inputs.values()] == [signed(16)]
    x = np.random.default_rng(0).integers(-32768, 32768, batches[0].shape).astype(np.int16)
    (want,) = evaluate(graph, x)
    assert want.dtype == np.int16
    graph.save(tmp_path / "net.safetensors")
    net = lowbit.load(tmp_path / "net.safetensors", batch=16)
    np.testing.assert_array_equal(net(x), want)
    wide = sum(isinstance(n.op, ops.RequantizeWide) for n in graph.nodes)
    assert wide == sum("requantize_wide" in row.epilogue for row in net.explain().rows) == 6


class Bytes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        return torch.sigmoid(self.conv(x.float())) * 2 - 1


def test_bytes_enter_as_they_are_and_tables_have_65536_entries():
    torch.manual_seed(0)
    model, x = Bytes().eval(), torch.randint(0, 256, (8, 1, 6, 6), dtype=torch.uint8)
    nn.init.normal_(model.conv.weight, std=0.01)
    graph = ptq(model, [x], activation_bits=16)
    assert graph.notes == ()
    tables = [graph.constant(n.inputs[1]) for n in graph.nodes if isinstance(n.op, ops.Lookup)]
    assert {t.shape for t in tables} == {(1, 2**16)}
    (got,) = evaluate(graph, x.numpy())
    assert decibels(model(x).detach().numpy(), got) > 40
    np.testing.assert_array_equal(Network(graph, 2)(x.numpy()), got)


class Pairs(nn.Module):
    def forward(self, x):
        return torch.bmm(x, x.transpose(1, 2)).softmax(-1)


def test_what_16_bits_do_not_have_is_named():
    x = torch.randn(4, 3, 5)
    with pytest.raises(ExportError, match=r"float: aten.bmm.default, aten.softmax.int"):
        ptq(Pairs().eval(), [x], activation_bits=16, integer_only=True)
    linear = nn.Linear(5, 2).eval()
    with pytest.raises(ValueError, match="form D's"):
        ptq(linear, [x], activation_bits=16, form="F")
    with pytest.raises(ValueError, match="16 take minmax"):
        ptq(linear, [x], {"input": "mse"}, activation_bits=16)
    with pytest.raises(ValueError, match="2 to 8 bits, or 16, not 12"):
        ptq(linear, [x], activation_bits=12)


def test_sums_beyond_int32_go_through_in_bytes():
    """The product of codes themselves reaches 2^33; that of either byte does not."""
    torch.manual_seed(0)
    model, x = nn.Linear(4096, 3).eval(), torch.randn(8, 4096)
    graph = ptq(model, [x], activation_bits=16)
    (weight,) = (t.value for t in graph.constants.values() if t.shape == (3, 4096))
    assert (abs(weight.astype(np.int64)).sum(1) * 2**15).max() > 2**31
    (got,) = evaluate(graph, x.numpy())
    assert decibels(model(x).detach().numpy(), got) > 40
    np.testing.assert_array_equal(Network(graph, 8)(x.numpy()), got)
