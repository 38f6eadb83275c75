"""Small float models that meet every 8-bit rule, with batch norms that do something."""

import pytest
import torch
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """Expand, depthwise, squeeze-and-excite, project, and a residual, as in MobileNet v3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.gate = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.project = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.relu6(self.norm(self.expand(x)))
        y = nn.functional.hardswish(self.depthwise(y))
        y = y * torch.sigmoid(self.gate(nn.functional.adaptive_avg_pool2d(y, 1)))
        return x + self.project(y)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.relu(self.a(x)), self.b(x)], 1)


def plain() -> nn.Module:
    """What TensorFlow Lite has an operator for, all of it."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Residual(8),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.ReLU6(),
        Branches(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


def mobile() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.PReLU(8, 0.2),
        Bottleneck(8),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(8, 6, 2, groups=2),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 10),
    )


def one_dimensional() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 8, 3, padding="same"), nn.BatchNorm1d(8), nn.Tanh(), nn.MaxPool1d(2),
        nn.Flatten(), nn.Linear(40, 4),
    )  # fmt: skip


MODELS = {
    "plain": (plain, (1, 12, 12)),
    "mobile": (mobile, (1, 12, 12)),
    "one_dimensional": (one_dimensional, (3, 10)),
}


def built(name: str) -> tuple[nn.Module, list[Tensor]]:
    """The model, evaluating, and three batches."""
    torch.manual_seed(0)
    make, shape = MODELS[name]
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.3)
    return model.eval(), [torch.randn(16, *shape) for _ in range(3)]


@pytest.fixture(params=MODELS)
def case(request) -> tuple[nn.Module, list[Tensor]]:
    return built(request.param)


@pytest.fixture
def plain_case() -> tuple[nn.Module, list[Tensor]]:
    return built("plain")
