"""Writes what torchvision and timm themselves make of drawn weights: tests/zoo/checkpoints/golden/.

    python3 -m venv vision && vision/bin/pip install torch torchvision timm
    vision/bin/python scripts/golden_imagenet.py

PACKAGE.NAME.npz    the state dict's names and shapes, whose values tests/tools/drawn.py gives, and
                    the logits of two images of 64 x 64
"""

import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import drawn  # noqa: E402

OUT = ROOT / "tests" / "zoo" / "checkpoints" / "golden"
MODELS = {
    "torchvision": ("resnet18", "resnet34", "resnet50", "mobilenet_v2"),
    "timm": ("resnet18", "resnet50", "mobilenetv1_100", "mobilenetv2_100", "efficientnet_lite0"),
}
MAKERS = {"torchvision": torchvision.models.get_model, "timm": timm.create_model}


def golden(package: str, name: str, model: nn.Module) -> None:
    state = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    weights = {key: torch.from_numpy(drawn.array(key, shape)) for key, shape in state.items()}
    model.load_state_dict(weights)
    images = torch.from_numpy(drawn.uniform("images", (2, 3, 64, 64), -2, 2))
    with torch.no_grad():
        logits = model.eval()(images).numpy()
    print(f"{package}.{name}: logits in [{logits.min():.3g}, {logits.max():.3g}]")
    np.savez_compressed(
        OUT / f"{package}.{name}.npz",
        names=list(state),
        shapes=[",".join(map(str, shape)) for shape in state.values()],
        logits=logits,
    )


def main() -> None:
    torch.use_deterministic_algorithms(True)
    for package, names in MODELS.items():
        for name in names:
            golden(package, name, MAKERS[package](name, num_classes=10))


if __name__ == "__main__":
    main()
