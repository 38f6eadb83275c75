"""Whole float networks of the zoo as integers alone: calibrated, verified, run as defined."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lowbit import pack, zoo
from lowbit.int8 import ptq
from lowbit.ir import evaluate, ops, verify
from lowbit.runtime import Network
from lowbit.zoo.ds_cnn import COEFFICIENTS, FRAMES, ds_cnn
from lowbit.zoo.unet import UNet

Made = tuple[nn.Module, tuple[int, ...]]


def of_zoo(name: str, side: int, classes: int) -> Callable[[], Made]:
    def make() -> Made:
        shape = (3, side, side)
        return zoo.create_model(name, input_shape=shape, classes=classes), shape

    return make


def trained_vgg() -> Made:
    return zoo.create_model("vgg_mini.float_fmnist"), (1, 28, 28)


IMAGENET = (
    *("mobilenet_v1", "mobilenet_v2", "efficientnet_lite0"),
    *("resnet18", "resnet34", "resnet50"),
)
SMALL: dict[str, Callable[[], Made]] = {
    **{name: of_zoo(name, 32, 10) for name in ("mobilenet_v1", "mobilenet_v2", "resnet18")},
    "vgg_mini": trained_vgg,
    "unet": lambda: (UNet(widths=(4, 8, 16)), (1, 16, 16)),
    "unet, interpolating": lambda: (UNet(widths=(4, 8, 16), learned=False), (1, 16, 16)),
    "ds_cnn": lambda: (ds_cnn(), (1, FRAMES, COEFFICIENTS)),
}
LARGE: dict[str, Callable[[], Made]] = {
    **{name: of_zoo(name, 224, 1000) for name in IMAGENET},
    "resnet20": of_zoo("resnet20", 32, 10),
    "unet": lambda: (UNet(), (1, 128, 128)),
    "unet, interpolating": lambda: (UNet(learned=False), (1, 128, 128)),
}


def run_as_defined(make: Callable[[], Made], form: str) -> None:
    torch.manual_seed(0)
    model, shape = make()
    graph = ptq(model.eval(), [calibration(shape)], integer_only=True, form=form)
    assert not graph.notes
    assert all(t.spec is not None for t in verify(graph).values() if t.value is None)
    x = np.random.default_rng(0).integers(-128, 128, (2, *shape)).astype(np.int8)
    (want,) = evaluate(graph, x)
    assert len(np.unique(want)) > 4  # of a network that has not gone silent
    np.testing.assert_array_equal(Network(pack.parse(pack.serialize(graph)), batch=2)(x), want)


def calibration(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(4, *shape)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_runs_in_integers(name):
    run_as_defined(SMALL[name], "D")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["D", "F"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=f"{tier} {name}")
        for tier, table in (("small", SMALL), ("large", LARGE))
        for name, make in table.items()
    ],
)
def test_a_network_runs_in_integers_at_its_papers_size(make, form):
    run_as_defined(make, form)


def test_trained_weights_are_a_quarter_of_their_floats():
    """3.9 times smaller at least, names and shapes included."""
    model, shape = trained_vgg()
    graph = ptq(model.eval(), [torch.rand(4, *shape)])
    floats = 4 * sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    assert floats / len(pack.serialize(graph)) >= 3.9
    assert not any(isinstance(n.op, ops.Lookup) for n in graph.nodes)
