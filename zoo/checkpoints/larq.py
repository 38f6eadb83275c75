"""Larq's and Larq Zoo's weights into models of ours, layer for layer.

Keras's files hold layers and arrays, and not how they are connected. Convolutions, dense layers,
norms and PReLUs of the file go, kind by kind and in order, to those of the model; every shape must
fit, and nothing may be left over. What differs between the two is settled here:

    layout     kernels (height, width, in, out) become (out, in, height, width); the rows of a dense
               layer behind a flattened map, (pixel, channel) there, become (channel, pixel)
    groups     one grouped convolution of ours may be several beside each other in the file
    padding    "same" at a stride puts the odd pixel behind, which torch cannot: `pad_as_keras`
    signs      are +1 at zero in both; latent weights are taken as they are
    norms      gamma may be left out (scale=False); eps is no part of the file, but of the model
    blur       QuickNet's fixed depthwise kernels have no counterpart: ours is two averages
    pixels     where our first layer takes bytes, Larq's takes floats: so does the loaded model
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from lowbit.quant.image import Image8
from lowbit.zoo.checkpoints.errors import CheckpointError
from lowbit.zoo.checkpoints.keras import Layer, read
from lowbit.zoo.checkpoints.padding import pad_as_keras

KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "product": (nn.Conv1d, nn.Conv2d, nn.Linear),
    "norm": (nn.BatchNorm1d, nn.BatchNorm2d),
    "prelu": (nn.PReLU,),
}
MARKS = {
    **dict.fromkeys(("kernel", "depthwise_kernel"), "product"),
    **dict.fromkeys(("moving_mean",), "norm"),
    **dict.fromkeys(("alpha",), "prelu"),
}
BLUR = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32)[..., None, None] / 16


def load(model: nn.Module, path: str | Path) -> nn.Module:
    """The model with the weights of the file; it then pads as Keras does.

    Raises CheckpointError, that says which layer does not fit.
    """
    waiting = sorted_by_kind(read(path))
    filled = []
    for name, module, behind in layers(model):
        kind = next(k for k, types in KINDS.items() if isinstance(module, types))
        if not waiting[kind]:
            raise CheckpointError(f"{path}: no {kind} is left for {name}")
        taken = take(waiting[kind], module)
        try:
            filled.append((module, FILL[kind](module, taken, behind)))
        except ValueError as error:
            raise CheckpointError(f"{path}: {taken[0].name} does not fit {name}: {error}") from None
    left = [layer.name for queue in waiting.values() for layer in queue]
    if left:
        raise CheckpointError(f"{path}: the model has no layer for {', '.join(left[:3])}")
    for module, values in filled:
        write(module, values)
    take_floats(model)
    return pad_as_keras(model)


def sorted_by_kind(found: list[Layer]) -> dict[str, deque[Layer]]:
    queues: dict[str, deque[Layer]] = {kind: deque() for kind in KINDS}
    for layer in found:
        kinds = {MARKS[name] for name in layer.arrays if name in MARKS}
        if len(kinds) != 1:
            raise CheckpointError(f"{layer.name}: no layer of ours has {', '.join(layer.arrays)}")
        if not is_blur(layer):
            queues[kinds.pop()].append(layer)
    return queues


def is_blur(layer: Layer) -> bool:
    kernel = layer.arrays.get("depthwise_kernel", np.empty(0))
    return kernel.shape[:2] == (3, 3) and bool((kernel == BLUR).all())


def layers(model: nn.Module) -> Iterator[tuple[str, nn.Module, int]]:
    """Every layer with weights, and for one behind nn.Flatten, how many channels were flattened."""
    channels, behind = 0, 0
    wanted = tuple(t for types in KINDS.values() for t in types)
    for name, module in model.named_modules():
        if isinstance(module, nn.Flatten):
            behind = channels
        elif isinstance(module, wanted):
            yield name, module, behind if isinstance(module, nn.Linear) else 0
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                channels = module.out_channels
            behind = 0 if isinstance(module, nn.Linear) else behind


def take(waiting: deque[Layer], module: nn.Module) -> list[Layer]:
    """The next layer of the file; or the next few, if they are the groups of one of ours."""
    first = waiting[place(waiting, module)]
    waiting.remove(first)
    groups, kernel = getattr(module, "groups", 1), first.arrays.get("kernel", np.empty(0))
    if groups == 1 or kernel.shape[-1] * groups != cast(nn.Conv2d, module).out_channels:
        return [first]
    return [first, *(waiting.popleft() for _ in range(min(groups - 1, len(waiting))))]


def place(waiting: deque[Layer], module: nn.Module) -> int:
    """A convolution passes over the dense layers of a gate, which the file may have in front."""
    if not isinstance(module, nn.Conv1d | nn.Conv2d):
        return 0
    dense = [layer.arrays.get("kernel", np.empty((0, 0, 0))).ndim == 2 for layer in waiting]
    return dense.index(False) if False in dense else 0


def product(module: nn.Module, taken: list[Layer], behind: int) -> dict[str, np.ndarray]:
    kernels = [kernel(module, layer, behind) for layer in taken]
    biases = [layer.arrays["bias"] for layer in taken if "bias" in layer.arrays]
    values = {"weight": np.concatenate(kernels)}
    return fitting(module, values | ({"bias": np.concatenate(biases)} if biases else {}))


def kernel(module: nn.Module, layer: Layer, behind: int) -> np.ndarray:
    if "depthwise_kernel" in layer.arrays:  # (height, width, channels, multiplier)
        value = layer.arrays["depthwise_kernel"]
        return value.reshape(*value.shape[:2], 1, -1).transpose(3, 2, 0, 1)
    value = layer.arrays["kernel"]
    if not isinstance(module, nn.Linear):
        return value.transpose(-1, -2, *range(value.ndim - 2))
    if value.shape[:-2] not in ((), (1, 1)) and not behind:
        raise ValueError(f"a kernel of {value.shape[:-2]}, and nothing was flattened")
    rows = value.reshape(-1, value.shape[-1])
    if not behind:
        return rows.T
    if len(rows) % behind:
        raise ValueError(f"{len(rows)} values are no map of {behind} channels")
    return rows.reshape(-1, behind, value.shape[-1]).transpose(2, 1, 0).reshape(-1, len(rows))


def norm(module: nn.Module, taken: list[Layer], _: int) -> dict[str, np.ndarray]:
    ours = {"gamma": "weight", "beta": "bias"}
    ours |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    return fitting(module, {ours[name]: v for name, v in taken[0].arrays.items() if name in ours})


def prelu(module: nn.Module, taken: list[Layer], _: int) -> dict[str, np.ndarray]:
    alpha = taken[0].arrays["alpha"]
    if alpha.size != alpha.shape[-1]:
        raise ValueError(f"its slopes {alpha.shape} are not one a channel")
    return fitting(module, {"weight": alpha.reshape(-1)})


def fitting(module: nn.Module, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The values, if they are all that the module has; a gamma that is left out is 1."""
    own = {n: t for n, t in module.state_dict().items() if "." not in n}
    own.pop("num_batches_tracked", None)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and "weight" in own:
        values = {"weight": np.ones(own["weight"].shape, np.float32)} | values
    ours = {name: tuple(t.shape) for name, t in own.items()}
    theirs = {name: v.shape for name, v in values.items()}
    if ours != theirs:
        raise ValueError(f"{theirs} for {ours}")
    return values


FILL = {"product": product, "norm": norm, "prelu": prelu}


def write(module: nn.Module, values: dict[str, np.ndarray]) -> None:
    own = module.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))


def take_floats(model: nn.Module) -> None:
    module: Any
    for module in model.modules():
        if isinstance(getattr(module, "input_quantizer", None), Image8):
            module.input_quantizer = None
