"""Larq's networks with random weights, in torch: the same signs, and outputs to float rounding.

scripts/golden_larq.py wrote what Larq itself gave.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import lowbit
from lowbit import nn as lnn
from lowbit import zoo
from lowbit.runtime import Network
from lowbit.zoo.checkpoints import larq
from lowbit.zoo.checkpoints.errors import CheckpointError

h5py = pytest.importorskip("h5py")
GOLDEN = Path(__file__).with_name("golden")
SIGNS = {"weight": "ste_sign", "input": "ste_sign", "bias": False}
SCALED = {"weight": "magnitude_aware_sign", "bias": False}
TERNS = {"weight": "ste_tern", "input": "ste_tern", "bias": False}


def norm(channels: int, eps: float = 1e-3, kind=lnn.BatchNorm2d) -> nn.Module:
    return kind(channels, eps=eps)


def odd() -> nn.Module:
    return nn.Sequential(
        *(lnn.Conv2d(3, 5, 3, padding=1, weight="ste_sign", bias=False), norm(5)),
        *(lnn.Conv2d(5, 7, 3, 2, 1, **SIGNS), norm(7)),
        *(lnn.Conv2d(7, 9, 3, 2, 1, pad_value=1, **SIGNS), norm(9, 1e-5)),
        *(lnn.Conv2d(9, 6, 2, padding="same", pad_value=-1, **SIGNS), norm(6)),
        *(nn.Flatten(), lnn.Linear(72, 11, **(SIGNS | {"bias": True}))),
        norm(11, kind=lnn.BatchNorm1d),
    )


def grouped() -> nn.Module:
    return nn.Sequential(
        *(lnn.Conv2d(3, 6, 3, 2, 1), norm(6)),
        *(lnn.Conv2d(6, 9, 3, padding=1, groups=3, **SIGNS), norm(9)),
        *(lnn.Conv2d(9, 9, 3, padding=1, groups=9, **SIGNS), norm(9)),
        *(lnn.Conv2d(9, 9, 3, 2, 1, groups=9, **SIGNS), norm(9)),
        *(lnn.Conv2d(9, 4, 1, **SIGNS), lnn.GlobalAvgPool2d(), lnn.Linear(4, 3)),
    )


def magnitude() -> nn.Module:
    return nn.Sequential(
        *(lnn.Conv2d(1, 7, 5, 2, 2, bias=False), norm(7), nn.MaxPool2d(3, 2, 1)),
        *(lnn.Conv2d(7, 11, 3, padding=1, input="approx_sign", **SCALED), nn.PReLU(11), norm(11)),
        *(lnn.Conv2d(11, 5, 3, dilation=2, input="swish_sign", **SCALED), norm(5)),
        *(nn.Flatten(), lnn.Linear(45, 10, input="ste_sign", **SCALED)),
    )


def dorefa() -> nn.Module:
    two, three, four = (dict.fromkeys(("weight", "input"), f"dorefa:{k}") for k in (2, 3, 4))
    return nn.Sequential(
        *(lnn.Conv2d(2, 8, 3, padding=1), nn.ReLU()),
        *(lnn.Conv2d(8, 9, 3, 2, 1, bias=False, **two), norm(9)),
        *(lnn.Conv2d(9, 7, 3, padding=1, bias=False, **three), norm(7)),
        *(nn.Flatten(), lnn.Linear(210, 10, bias=False, **four)),
    )


def ternary() -> nn.Module:
    return nn.Sequential(
        *(lnn.Conv2d(1, 5, 3, 2, 1), norm(5), lnn.Conv2d(5, 7, 3, 2, 1, **TERNS), norm(7)),
        *(nn.Flatten(), lnn.Linear(112, 6, **TERNS)),
    )


def line() -> nn.Module:
    return nn.Sequential(
        *(lnn.Conv1d(3, 5, 3, padding=1), norm(5, kind=lnn.BatchNorm1d)),
        *(lnn.Conv1d(5, 9, 4, 3, 1, **SIGNS), norm(9, kind=lnn.BatchNorm1d)),
        *(nn.Flatten(), lnn.Linear(54, 4, **SIGNS)),
    )


SMALL: dict[str, Callable[[], nn.Module]] = {
    f.__name__: f for f in (odd, grouped, magnitude, dorefa, ternary, line)
}


def first_channels(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_gives_what_larq_gives(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    model, given = larq.load(SMALL[name](), GOLDEN / f"{name}.h5").eval(), []
    for layer in model:
        if getattr(layer, "input_quantizer", None):
            layer.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    with torch.no_grad():
        found = model(first_channels(golden["x"]))
    np.testing.assert_allclose(found, golden["y"], rtol=1e-5, atol=2e-5)
    inputs = [golden[key] for key in golden.files if key.startswith("input")]
    assert len(given) == len(inputs)
    for ours, theirs in zip(given, inputs, strict=True):
        theirs = first_channels(theirs) if theirs.ndim > 2 else in_our_order(theirs, model)
        assert torch.equal(ours >= 0, theirs >= 0)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-5)


def in_our_order(x: np.ndarray, model: nn.Module) -> torch.Tensor:
    """A flattened map's values, (pixel, channel) in Keras."""
    *_, channels = (m.out_channels for m in model if isinstance(m, nn.Conv1d | nn.Conv2d))
    return torch.from_numpy(x.reshape(len(x), -1, channels).transpose(0, 2, 1).reshape(len(x), -1))


@pytest.mark.parametrize("name", ["odd", "magnitude"])
def test_loaded_it_exports_with_its_padding(name):
    model = larq.load(SMALL[name](), GOLDEN / f"{name}.h5").eval()
    x = first_channels(np.load(GOLDEN / f"{name}.npz")["x"])
    found = Network(lowbit.export(model, x))(x.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(found, model(x), rtol=1e-5, atol=2e-5)


ZOO = json.loads((GOLDEN / "larq_zoo.json").read_text())
LARGE = [pytest.param(n, marks=[] if n == "quicknet_small" else pytest.mark.slow) for n in ZOO]


@pytest.mark.parametrize("name", LARGE)
def test_larq_zoos_networks_give_their_logits(name, tmp_path):
    said = ZOO[name]
    side, shape = said["side"], (3, said["side"], said["side"])
    saved(said, tmp_path / "weights.h5")
    model = zoo.create_model(name, input_shape=shape, classes=10)
    larq.load(model.eval(), tmp_path / "weights.h5")
    x = np.random.default_rng(said["seed"]).normal(size=(1, side, side, 3)).astype(np.float32)
    with torch.no_grad():
        found = model(first_channels(x))[0]
    scale = np.abs(said["logits"]).max()
    np.testing.assert_allclose(found / scale, np.array(said["logits"]) / scale, atol=1e-4)


def saved(said: dict, path: Path) -> None:
    """The file that Keras would write, with the weights of scripts/golden_larq.py."""
    rng, layers = np.random.default_rng(said["seed"]), {}
    for name, shape in said["arrays"].items():
        layer, _, weight = name.partition("//")
        layers.setdefault(layer, {})[weight] = drawn(rng, layer, weight, shape)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, value in arrays.items():
                group[name] = value


def drawn(rng: np.random.Generator, layer: str, weight: str, shape: list[int]) -> np.ndarray:
    kind = weight.rpartition("/")[2].partition(":")[0]
    if kind == "moving_variance":
        value = rng.uniform(0.5, 2, shape)
    elif kind == "gamma":
        value = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape, p=[0.1, 0.9])
    elif kind in ("kernel", "depthwise_kernel"):
        value = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
    else:
        value = rng.normal(size=shape) / 4
    blurs = layer.startswith("depthwise_conv2d")
    return np.broadcast_to(larq.BLUR, shape) if blurs else value.astype(np.float32)


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [
        ("odd", grouped, "conv2d does not fit 0"),
        ("odd", lambda: odd()[:-1], "no layer for batch_normalization"),
        ("ternary", lambda: nn.Sequential(ternary(), nn.PReLU(3)), "no prelu is left for 1"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(name, build, words):
    model = build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=words):
        larq.load(model, GOLDEN / f"{name}.h5")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
