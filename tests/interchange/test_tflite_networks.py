"""Whole networks, written as flatbuffers: the foreign runtimes give our logits, bit for bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("ai_edge_litert")
from lowbit.interchange import InterchangeError, to_tflite
from lowbit.runtime import Network

spec = importlib.util.spec_from_file_location(
    "int8_models", Path(__file__).parents[1] / "int8" / "conftest.py"
)
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)


@pytest.mark.parametrize("form", ["D", "F"])
@pytest.mark.parametrize("codes", [None, np.int8, np.uint8])
def test_a_network_is_the_same_everywhere(peers, form, codes):
    from lowbit.int8 import ptq

    model, batches = models.built("plain")
    ends = {"integer_only": codes is not None, "unsigned_ends": codes is np.uint8}
    graph = ptq(model, batches, form=form, **ends)
    x = batches[0].numpy()
    if codes:
        x = np.random.default_rng(0).integers(0, 256, x.shape).astype(np.uint8).view(codes)
    got = peers[form](to_tflite(graph, batch=len(x)), x)
    np.testing.assert_array_equal(got, Network(graph, batch=len(x))(x))


@pytest.mark.parametrize("integer_only", [False, True])
def test_activations_of_16_bits(peers, integer_only):
    """TFLite Micro's 16x8: convolution, depthwise, linear, sum, pool and concatenation."""
    from lowbit.int8 import ptq

    model, batches = models.built("plain")
    graph = ptq(model, batches, activation_bits=16, integer_only=integer_only)
    x = batches[0].numpy()
    if integer_only:
        x = np.random.default_rng(0).integers(-32768, 32768, x.shape).astype(np.int16)
    got = peers["D"](to_tflite(graph, batch=len(x)), x)
    np.testing.assert_array_equal(got, Network(graph, batch=len(x))(x))


@pytest.mark.parametrize("form", ["D", "F"])
def test_shares_of_a_softmax(peers, form):
    from torch import nn

    from lowbit.int8 import ptq

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(600, 10), nn.Softmax(1))
    x = torch.randn(16, 1, 12, 12)
    graph = ptq(model.eval(), [x], form=form, integer_only=True)
    given = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    got = peers[form](to_tflite(graph, batch=16), given)
    np.testing.assert_array_equal(got, Network(graph, batch=16)(given))


@pytest.mark.parametrize("form", ["D", "F"])
def test_tables_are_gathered(peers, form):
    """Hard-swish and sigmoid of codes, and a norm's table of each channel."""
    from torch import nn

    from lowbit.int8 import ptq

    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3, padding=1), nn.Hardswish(), nn.MaxPool2d(2), nn.BatchNorm2d(4))
    model = nn.Sequential(*layers, nn.Conv2d(4, 4, 3), nn.Sigmoid(), nn.ZeroPad2d(1)).eval()
    model[3].running_mean.normal_()
    x = torch.randn(4, 1, 12, 12)
    graph = ptq(model, [x], form=form)
    got = peers[form](to_tflite(graph, batch=4), x.numpy())
    np.testing.assert_array_equal(got, Network(graph, batch=4)(x.numpy()))


class Moves(torch.nn.Module):
    def forward(self, x):
        a, b = torch.nn.functional.interpolate(x, scale_factor=2).split([1, 3], 1)
        return torch.cat([b[:, :, ::2, 1:-1], (a + b)[:, :, 1::2, :-2]], 1)


@pytest.mark.parametrize("form", ["D", "F"])
def test_parts_and_doubled_pixels(peers, form):
    from lowbit.int8 import ptq

    torch.manual_seed(0)
    model, x = (
        torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), Moves()).eval(),
        torch.randn(4, 1, 8, 8),
    )
    graph = ptq(model, [x], form=form)
    got = peers[form](to_tflite(graph, batch=4), x.numpy())
    np.testing.assert_array_equal(got, Network(graph, batch=4)(x.numpy()))


def test_what_the_format_lacks_is_named():
    from torch import nn

    from lowbit.int8 import ptq

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 2, 2, groups=2)).eval()
    with pytest.raises(InterchangeError, match=r"transposed convolution is plain"):
        to_tflite(ptq(model, [torch.randn(4, 1, 6, 6)]))
