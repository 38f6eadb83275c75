"""Every operation of real networks, in 8 bits: close to the float model, exact in the runtime."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

import lowbit.nn as lnn
from lowbit import zoo
from lowbit.exporter import ExportError
from lowbit.int8 import ptq
from lowbit.ir import evaluate, ops
from lowbit.runtime import Network
from lowbit.zoo.bits import FLOAT
from lowbit.zoo.ds_cnn import ds_cnn
from lowbit.zoo.unet import UNet


def decibels(want, got) -> float:
    return 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum())


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = torch.softmax(torch.bmm(q, k.transpose(1, 2)) / 8**0.5, -1)
        return self.out(torch.matmul(scores, v)) - x


class Shapes(nn.Module):
    def forward(self, x):
        a, b = nn.functional.pad(x, (1, 0, 2, 1), value=1.0).split([2, 2], 1)
        return torch.cat([b[:, ::2, 1:] - a[:, :1, 1:], a.select(1, 1).unsqueeze(1)[:, :, :-1]], 1)


class Means(nn.Module):
    """Over channels, over one side, over all but the batch; and padding that is counted."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(6, 5))

    def forward(self, x):
        y = nn.functional.avg_pool2d(x, 3, 2, 1)
        a = x.mean(1) @ self.mix + x.mean((1, 3)).mean(-1, keepdim=True).unsqueeze(-1)
        return torch.cat([a.flatten(1), y.mean(2).flatten(1)], 1)


def after(layer, channels=4):
    return nn.Sequential(nn.Conv2d(4, channels, 3, padding=1), layer)


CASES = {
    "transposed": after(nn.ConvTranspose2d(4, 6, 3, 2, 1, 1)),
    "transposed and grouped": after(
        nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2, groups=2), nn.BatchNorm2d(6), nn.ReLU())
    ),
    "transposed over one side": nn.Sequential(nn.Flatten(2), nn.ConvTranspose1d(4, 3, 4, 3)),
    "nearest": after(nn.Upsample(scale_factor=2)),
    "bilinear": after(nn.Upsample(scale_factor=2, mode="bilinear")),
    "bilinear to other sides": after(nn.Upsample(size=(9, 5), mode="bilinear")),
    "softmax of channels": after(nn.Softmax(1)),
    "softmax of a row, moved": after(nn.Sequential(nn.Softmax(-1), nn.Flatten())),
    "means": after(Means()),
    "means, in form F": after(Means()),
    "parts": after(Shapes()),
    "prelu": after(nn.PReLU(4)),
    "tables": after(nn.Sequential(nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.LeakyReLU())),
    "gates": after(nn.Sequential(nn.Tanh(), nn.Hardsigmoid(), nn.Sigmoid())),
    "our gates": after(nn.Sequential(lnn.Tanh(), lnn.SiLU(), lnn.Sigmoid())),
}


FORMS = dict(zip(CASES, "DF" * len(CASES), strict=False))  # every other one in each arithmetic


@pytest.mark.parametrize("name", CASES)
def test_integers_alone(name):
    model, form = CASES[name], FORMS[name]
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    model.eval()
    x = torch.randn(8, 4, 6, 6)
    graph = ptq(model, [x], form=form)
    assert graph.notes == ()
    with torch.no_grad():
        want = model(x).numpy()
    (got,) = evaluate(graph, x.numpy())
    assert decibels(want, got) > 28
    np.testing.assert_array_equal(Network(graph, 3)(x.numpy()), got)


def test_attention_in_integers_but_for_its_norm():
    torch.manual_seed(0)
    model, x = nn.Sequential(Attention(), nn.LayerNorm(8)).eval(), torch.randn(8, 5, 8)
    graph = ptq(model, [x])
    assert sum(isinstance(n.op, ops.MatMul) for n in graph.nodes) == 2
    assert sum(isinstance(n.op, ops.SoftmaxD) for n in graph.nodes) == 1
    assert sum("stays float" in note for note in graph.notes) == 1
    with torch.no_grad():
        want = model(x).numpy()
    (got,) = evaluate(graph, x.numpy())
    assert decibels(want, got) > 25
    np.testing.assert_array_equal(Network(graph, 3)(x.numpy()), got)
    with pytest.raises(ExportError, match=r"stay float: aten.layer_norm.default in '1'"):
        ptq(model, [x], integer_only=True)


def goes_through(model: nn.Module, x: torch.Tensor) -> None:
    """Norms that have seen data, 8 bits throughout, and the runtime as the definition says."""
    torch.manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            model.train()(x)
        want = model.eval()(x).numpy()
    graph = ptq(model, [x])
    assert graph.notes == ()
    assert decibels(want, Network(graph, 2)(x.numpy())) > 12


def test_a_keyword_spotter_goes_through():
    torch.manual_seed(0)
    goes_through(ds_cnn(), torch.randn(4, 1, 49, 10))


@pytest.mark.parametrize("learned", [True, False])
def test_a_unet_goes_through(learned):
    torch.manual_seed(0)
    goes_through(UNet(widths=(8, 16, 16), learned=learned), torch.randn(4, 1, 16, 16))


BASELINES = (
    *("mobilenet_v1", "mobilenet_v2", "efficientnet_lite0", "resnet18", "resnet50"),
    "vgg_small",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_float_baselines_go_through(name):
    torch.manual_seed(0)
    family = importlib.import_module(zoo.architecture(name).module)
    model = getattr(family, name)((3, 64, 64), 10, FLOAT)
    goes_through(model, torch.rand(4, 3, 64, 64))
