"""torchvision's and timm's networks with drawn weights: ours give their outputs.

scripts/golden_imagenet.py made the outputs, where torchvision and timm could be installed.
"""

from pathlib import Path

import drawn
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import lowbit
from lowbit import zoo
from lowbit.runtime import Network
from lowbit.zoo.checkpoints import imagenet
from lowbit.zoo.checkpoints.errors import CheckpointError

GOLDEN = Path(__file__).parent / "golden"
OURS = {
    "torchvision.resnet18": "resnet18",
    "torchvision.resnet34": "resnet34",
    "torchvision.resnet50": "resnet50",
    "torchvision.mobilenet_v2": "mobilenet_v2",
    "timm.resnet18": "resnet18",
    "timm.resnet50": "resnet50",
    "timm.mobilenetv1_100": "mobilenet_v1",
    "timm.mobilenetv2_100": "mobilenet_v2",
    "timm.efficientnet_lite0": "efficientnet_lite0",
}
LARGE = ("resnet34", "resnet50")
IMAGES = torch.from_numpy(drawn.uniform("images", (2, 3, 64, 64), -2, 2))


def loaded(theirs: str, folder: Path) -> tuple[nn.Module, np.ndarray]:
    """Our network with their weights, from a file, whose order is the alphabet's; their logits."""
    said = np.load(GOLDEN / f"{theirs}.npz")
    shapes = [tuple(int(n) for n in s.split(",") if n) for s in said["shapes"].tolist()]
    names = zip(said["names"].tolist(), shapes, strict=True)
    state = {name: torch.from_numpy(drawn.array(name, shape)) for name, shape in names}
    save_file(state, folder / "theirs.safetensors")
    model = zoo.create_model(OURS[theirs], input_shape=(3, 64, 64), classes=10).eval()
    return imagenet.load(model, folder / "theirs.safetensors"), said["logits"]


@pytest.mark.parametrize(
    "theirs",
    [pytest.param(n, marks=[pytest.mark.slow] if OURS[n] in LARGE else []) for n in OURS],
)
def test_outputs_are_theirs(theirs, tmp_path):
    model, expected = loaded(theirs, tmp_path)
    with torch.no_grad():
        found = model(IMAGES).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_with_their_weights_it_becomes_8_bit(tmp_path):
    """Calibrated on the images themselves; nothing is left float, and the classes stay."""
    model, expected = loaded("torchvision.resnet18", tmp_path)
    graph = lowbit.ptq(model, [IMAGES])
    assert graph.notes == ()
    found = Network(graph)(IMAGES.numpy())
    noise = found - expected
    assert np.square(expected).sum() > 100 * np.square(noise).sum()  # 20 dB
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


def test_names_are_put_in_the_networks_order():
    names = [
        *("conv_stem", "blocks.0.0.conv_dw", "blocks.0.0.conv_pw", "blocks.2.1.conv_pw"),
        *("blocks.2.1.conv_dw", "blocks.2.1.conv_pwl", "blocks.10.0.conv_pw", "conv_head"),
    ]
    assert sorted({*names}, key=lambda n: imagenet.order(n, {*names})) == names


@pytest.fixture(scope="module")
def resnet20() -> nn.Module:
    return zoo.create_model("resnet20")


def test_a_network_of_another_depth_is_refused(resnet20):
    state = zoo.create_model("resnet32").state_dict()
    with pytest.raises(
        CheckpointError, match="31 layers of kind convolution, and the model has 19"
    ):
        imagenet.load(resnet20, state)


def test_a_shape_that_does_not_fit_is_named(resnet20):
    state = resnet20.state_dict() | {"0.weight": torch.zeros(16, 1, 3, 3)}
    with pytest.raises(CheckpointError, match=r"0 does not fit 0: .*\(16, 1, 3, 3\)"):
        imagenet.load(resnet20, state)


def test_a_damaged_file_is_refused(resnet20, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        imagenet.load(resnet20, tmp_path / "x.safetensors")
