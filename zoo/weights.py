"""Trained weights for torch: a state dict in 16 bits, which the exported network was made from.

Latent weights are rounded to float16 before the export, so the file is half as large and still the
integer network's very origin. What the low-bit layers do not quantize, and norms, stay float32.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def latent(model: nn.Module) -> set[str]:
    """The names of weights that a quantizer reads."""
    layers = model.named_modules()
    return {f"{name}.weight" for name, m in layers if getattr(m, "weight_quantizer", None)}


def rounded(model: nn.Module) -> dict[str, Tensor]:
    """The state, with its latent weights in float16; the model is brought to the same values."""
    names = latent(model)
    state = {
        name: value.detach().half() if name in names else value.detach().clone()
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return state


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """The model with the file's weights, widened to its own types."""
    state = load_file(path)
    own = model.state_dict()
    missing, spare = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or spare:
        raise ValueError(f"{path}: not of this model: lacks {missing[:3]}, has {spare[:3]} instead")
    if wrong := [n for n in own if own[n].shape != state[n].shape]:
        sizes = f"{tuple(state[wrong[0]].shape)}, not {tuple(own[wrong[0]].shape)}"
        raise ValueError(f"{path}: not of this model: {wrong[0]} is {sizes}")
    model.load_state_dict({name: value.to(own[name].dtype) for name, value in state.items()})
    return model
