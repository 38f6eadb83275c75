"""Networks written as ONNX: ONNX Runtime gives our logits, bit for bit, at 8, 4 and 2 bits."""

import math

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx")
import onnx

from lowbit.int8 import ptq
from lowbit.interchange import InterchangeError
from lowbit.interchange.onnx_read import from_onnx
from lowbit.interchange.onnx_write import to_onnx
from lowbit.runtime import Network


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.ReLU6()),
        *(nn.Conv2d(8, 16, 1), nn.Hardswish(), nn.Flatten(), nn.Linear(16 * 9, 10)),
    ).eval()


@pytest.mark.parametrize("integer_only", [False, True])
@pytest.mark.parametrize(("bits", "opset"), [(8, 13), (4, 21), (2, 25)])
def test_onnx_runtime_agrees_to_the_bit(onnxruntime, bits, opset, integer_only):
    x = torch.randn(16, 1, 12, 12)
    graph = ptq(network(), [x], form="F", weight_bits=bits, integer_only=integer_only)
    model = to_onnx(graph)
    assert onnx.load_from_string(model).opset_import[0].version == opset
    for tensor in onnx.load_from_string(model).graph.initializer:
        if tensor.name.endswith(".weight.q"):
            assert len(tensor.raw_data) == -(-math.prod(tensor.dims) * bits // 8)
    given = x.numpy()
    if integer_only:
        given = np.random.default_rng(0).integers(-128, 128, given.shape).astype(np.int8)
    got = onnxruntime(model, given, fused=bits > 2)
    np.testing.assert_array_equal(got, Network(graph, 16)(given))


class Branches(nn.Module):
    """What ONNX Runtime computes in floats between its codes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1)
        self.attend = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        a, b = self.a(x).relu(), self.b(x)
        y = self.attend(torch.cat([a + b, a * b], 1)).flatten(2)
        return nn.functional.avg_pool1d(torch.bmm(y, y.transpose(1, 2)), 2).transpose(1, 2) - 1


def branches() -> tuple:
    torch.manual_seed(0)
    x = torch.randn(16, 1, 6, 6)
    graph = ptq(Branches().eval(), [x], form="F", integer_only=True)
    given = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    return graph, given, Network(graph, 16)(given)


def test_sums_averages_and_products_are_exact_as_integers(onnxruntime):
    graph, given, ours = branches()
    np.testing.assert_array_equal(onnxruntime(to_onnx(graph, exact=True), given), ours)


@pytest.mark.parametrize("exact", [False, True])
def test_uint8_in_and_out(onnxruntime, exact):
    x = torch.randn(16, 1, 12, 12)
    graph = ptq(network(), [x], form="F", integer_only=True, unsigned_ends=True)
    given = np.random.default_rng(0).integers(0, 256, x.shape).astype(np.uint8)
    want, model = Network(graph, 16)(given), to_onnx(graph, exact)
    got = onnxruntime(model, given)
    assert got.dtype == want.dtype == np.uint8
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(Network(from_onnx(model), 16)(given), want)


def test_sums_and_averages_are_a_code_apart_at_most(onnxruntime):
    graph, given, codes = branches()
    ours = codes.astype(int)
    apart = abs(onnxruntime(to_onnx(graph), given) - ours)
    assert apart.max() <= 3
    assert (apart > 0).mean() < 0.2


def test_what_onnx_does_not_compute_is_named():
    x = torch.randn(16, 1, 12, 12)
    with pytest.raises(InterchangeError, match=r"QuantizeD.*form D: ONNX computes form F"):
        to_onnx(ptq(network(), [x], form="D"))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softmax(1)).eval()
    with pytest.raises(InterchangeError, match="no rule"):
        to_onnx(ptq(model, [x], form="F"))
