"""torchvision's and timm's float state dicts into our ResNets, MobileNets and EfficientNet-Lite0.

The layers are the same and their names are not: convolutions, norms and the classifier are put in
the network's order by what their names say, and go to ours in that order; every shape must fit.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lowbit.zoo.checkpoints.errors import CheckpointError

State = Mapping[str, Tensor]
KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv2d,),
    "norm": (nn.BatchNorm2d,),
    "classifier": (nn.Linear,),
}
# What stands in front of the blocks and behind them, where the alphabet would not have it.
ENDS = {"conv1": 0, "bn1": 0, "conv_stem": 0, "conv_head": 2, "bn2": 2}
# timm's inverted block: wide, deep, narrow; its first block is deep, then narrow (conv_pw).
WITHIN = {"conv_pw": "conv_0", "conv_dw": "conv_1", "conv_pwl": "conv_2"}


def load(model: nn.Module, state: State | str | Path) -> nn.Module:
    """The model with the weights of a state dict, or of a .safetensors file.

    Raises CheckpointError, naming the layer that does not fit.
    """
    given = state if isinstance(state, Mapping) else read(Path(state))
    theirs = by_kind(given)
    ours: dict[str, list[tuple[str, nn.Module]]] = {kind: [] for kind in KINDS}
    for name, module in model.named_modules():
        for kind, types in KINDS.items():
            if isinstance(module, types):
                ours[kind].append((name, module))
    pairs = [pair for kind in KINDS for pair in paired(kind, ours[kind], theirs[kind])]
    values = [(module, arrays(given, source, module, name)) for name, module, source in pairs]
    with torch.no_grad():
        for module, tensors in values:
            own = module.state_dict(keep_vars=True)
            for key, tensor in tensors.items():
                own[key].copy_(tensor)
    return model


def read(path: Path) -> State:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def by_kind(state: State) -> dict[str, list[str]]:
    """The layers' names, in the network's order."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    layers = {key.removesuffix(".weight") for key in state if key.endswith(".weight")}
    for layer in sorted(layers, key=lambda name: order(name, layers)):
        axes = state[f"{layer}.weight"].ndim
        kind = {4: "convolution", 2: "classifier", 1: "norm"}.get(axes)
        if kind is None:
            raise CheckpointError(f"{layer} has {axes} axes, as no layer of ours")
        found[kind].append(layer)
    return found


def order(name: str, layers: set[str]) -> tuple:
    *before, last = name.split(".")
    inverted = ".".join([*before, "conv_pwl"]) in layers
    last = "conv_2" if last == "conv_pw" and not inverted else WITHIN.get(last, last)
    parts = [p for word in (*before, last) for p in re.split(r"(\d+)", word) if p]
    place = ENDS.get(name, 1)
    return place, [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]


def paired(kind: str, ours: list, theirs: list[str]) -> list[tuple[str, nn.Module, str]]:
    if len(ours) != len(theirs):
        raise CheckpointError(f"{len(theirs)} layers of kind {kind}, and the model has {len(ours)}")
    return [(name, module, source) for (name, module), source in zip(ours, theirs, strict=True)]


def arrays(state: State, source: str, module: nn.Module, name: str) -> dict[str, Tensor]:
    own = {k: v for k, v in module.state_dict().items() if "." not in k}
    own.pop("num_batches_tracked", None)
    given = {k: state[f"{source}.{k}"] for k in own if f"{source}.{k}" in state}
    bias = f"{source}.bias" in state and "bias" not in own
    if bias or any(k not in given or given[k].shape != t.shape for k, t in own.items()):
        shapes = {k: tuple(t.shape) for k, t in given.items()}
        raise CheckpointError(f"{source} does not fit {name}: {shapes}")
    return given
