"""torchvision's and timm's networks with random weights: ours give their outputs."""

import importlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lowbit import zoo
from lowbit.zoo.checkpoints import imagenet
from lowbit.zoo.checkpoints.errors import CheckpointError

slow = pytest.mark.slow
THEIRS = [
    ("torchvision.models", "resnet18", "resnet18"),
    pytest.param("torchvision.models", "resnet50", "resnet50", marks=slow),
    pytest.param("torchvision.models", "mobilenet_v2", "mobilenet_v2", marks=slow),
    pytest.param("timm", "resnet34", "resnet34", marks=slow),
    pytest.param("timm", "mobilenetv2_100", "mobilenet_v2", marks=slow),
    pytest.param("timm", "efficientnet_lite0", "efficientnet_lite0", marks=slow),
]


@pytest.mark.parametrize(("package", "theirs", "ours"), THEIRS)
def test_outputs_are_theirs(package, theirs, ours, tmp_path):
    made = random_norms(created(package, theirs)).eval()
    model = zoo.create_model(ours, input_shape=(3, 64, 64), classes=10).eval()
    save_file(made.state_dict(), tmp_path / "x.safetensors")  # whose order is the alphabet's
    imagenet.load(model, tmp_path / "x.safetensors")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(x), made(x), rtol=1e-4, atol=1e-4)


def created(package: str, name: str) -> nn.Module:
    module = pytest.importorskip(package)
    torch.manual_seed(0)
    if package == "timm":
        return module.create_model(name, num_classes=10)
    return getattr(importlib.import_module(package), name)(num_classes=10)


def random_norms(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


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
