"""Trained weights for torch: a state dict in few bits, which the exported network was made from.

Weights are rounded before the export, so the file is small and still the integer network's very
origin: to float16, and to 8 bits with the range of float16 where all that is read of them is their
signs and how large they are on average. What low-bit layers do not quantize, and norms, stay
float32. A large network may give up all but the signs: a file holds matrices of +1 and -1 in bits.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lowbit.quant.scale import Unit
from lowbit.spec import BINARY


def precisions(model: nn.Module) -> dict[str, torch.dtype]:
    """Of the weights that a quantizer reads; of a float network, of all its matrices."""
    readers = {name: getattr(m, "weight_quantizer", None) for name, m in model.named_modules()}
    latent = {
        f"{name}.weight": torch.float8_e5m2 if set(q.specs) == {BINARY} else torch.float16
        for name, q in readers.items()
        if q
    }
    matrices = (name for name, value in model.named_parameters() if value.ndim > 1)
    return latent or dict.fromkeys(matrices, torch.float16)


def rounded(model: nn.Module) -> dict[str, Tensor]:
    """The state, rounded; the model is brought to the same values."""
    kinds = precisions(model)
    state = {
        name: value.detach().to(kinds.get(name, value.dtype), copy=True)
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return state


@torch.no_grad()
def keep_signs_alone(model: nn.Module) -> None:
    """Latent weights become their signs where nothing else of them is read: the network computes
    what it did, and a file has a bit for each; training that goes on has forgotten their sizes."""
    for module in model.modules():
        quantizer = getattr(module, "weight_quantizer", None)
        if quantizer and quantizer.specs == (BINARY,) and isinstance(quantizer.scale, Unit):
            weight = module.get_parameter("weight")
            weight.copy_(quantizer(weight))


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    save_file({name: packed(value.contiguous()) for name, value in state.items()}, path)


def packed(value: Tensor) -> Tensor:
    """A matrix of +1 and -1 as bytes of eight signs, 1 for +1; all else as it is."""
    matrix = value.ndim > 1 and value.is_floating_point()
    if not matrix or not (value.float().abs() == 1).all():
        return value
    return torch.from_numpy(np.packbits(value.float().cpu().numpy() > 0))


def unpacked(value: Tensor, like: Tensor) -> Tensor:
    """The reverse, in the shape that the model has. Bytes of another number are left alone."""
    of_signs = value.dtype == torch.uint8 and like.is_floating_point()
    if not of_signs or value.shape != (-(-like.numel() // 8),):
        return value
    bits = np.unpackbits(value.numpy(), count=like.numel()).reshape(like.shape)
    return torch.from_numpy(bits).to(like.dtype) * 2 - 1


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """The model with the file's weights, widened to its own types."""
    state = load_file(path)
    own = model.state_dict()
    missing, spare = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or spare:
        raise ValueError(f"{path}: not of this model: lacks {missing[:3]}, has {spare[:3]} instead")
    state = {name: unpacked(state[name], own[name]) for name in own}
    if wrong := [n for n in own if own[n].shape != state[n].shape]:
        sizes = f"{tuple(state[wrong[0]].shape)}, not {tuple(own[wrong[0]].shape)}"
        raise ValueError(f"{path}: not of this model: {wrong[0]} is {sizes}")
    model.load_state_dict({name: value.to(own[name].dtype) for name, value in state.items()})
    return model
