"""Hugging Face's BitNet b1.58: config.json and safetensors, as transformers 5 has them.

    online           latent weights in bfloat16, which are quantized as the network runs: ours too
    offline          codes in bytes, four a byte, and a `weight_scale`; row r of a byte holds rows
                     r, r + R, r + 2 R and r + 3 R of the matrix, lowest bits first, each code + 1

What the scale means is in the configuration: `autobitlinear` multiplies by it, `bitlinear` divides.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.checkpoints.errors import CheckpointError
from lowbit.zoo.checkpoints.ternary import Ternary, fill

A_BYTE = 4  # codes


def load(model: nn.Module, folder: str | Path) -> nn.Module:
    """Fills a network of lowbit.zoo.bitnet from a folder with config.json and *.safetensors.

    Raises CheckpointError for a damaged file, or a tensor that is missing, unknown or misshapen.
    """
    folder = Path(folder)
    divides = scale_divides(configuration(folder))
    given = {name.removeprefix("model."): t for name, t in tensors(folder).items()}
    if tied := getattr(model, "tied", False):
        given.pop("lm_head.weight", None)
    expected = {n for n in model.state_dict() if "_quantizer." not in n}
    expected -= {"lm_head.weight"} if tied else set()
    scales = {n for n in given if n.endswith("weight_scale")}
    missing, spare = sorted(expected - {*given}), sorted({*given} - expected - scales)
    if missing or spare:
        raise CheckpointError(f"{folder}: not of this model: lacks {missing[:3]}, has {spare[:3]}")
    own = dict(model.named_parameters())
    for name in sorted(expected):
        if given[name].dtype == torch.uint8:
            layer = model.get_submodule(name.removesuffix(".weight"))
            scale = given.get(f"{name}_scale", torch.ones(()))
            fill(linear(layer, name), unpacked(given[name], scale, divides), name)
        elif given[name].shape != own[name].shape:
            shapes = f"{tuple(given[name].shape)} for {tuple(own[name].shape)}"
            raise CheckpointError(f"{folder}: {name}: {shapes}")
        else:
            with torch.no_grad():
                own[name].copy_(given[name])
    return model


def linear(layer: nn.Module, name: str) -> nn.Linear:
    if not isinstance(layer, lnn.Linear):
        raise CheckpointError(f"{name}: packed codes are for linear layers")
    return layer


def configuration(folder: Path) -> dict:
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}/config.json: {error}") from None
    if not isinstance(said, dict) or said.get("model_type", "bitnet") != "bitnet":
        raise CheckpointError(f"{folder}/config.json is not that of a BitNet")
    return said


def scale_divides(said: dict) -> bool:
    """`bitlinear`, transformers' default, keeps 1 / mean |w|; `autobitlinear` the mean itself."""
    return (said.get("quantization_config") or {}).get("linear_class", "bitlinear") == "bitlinear"


def tensors(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found |= load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: {error}") from None
    if not found:
        raise CheckpointError(f"{folder}: no *.safetensors")
    return found


def unpacked(packed: Tensor, scale: Tensor, divides: bool = False) -> Ternary:
    """The codes of bytes (rows / 4, columns), and the scale that codes are multiplied by."""
    parts = [(packed >> 2 * i) & 3 for i in range(A_BYTE)]
    codes = torch.cat(parts).to(torch.int8) - 1
    factor = scale.float().reshape(-1)
    if codes.ndim != 2 or int(codes.max()) > 1 or len(factor) != 1:
        raise CheckpointError(f"{tuple(packed.shape)} bytes are no ternary codes with one scale")
    if not (torch.isfinite(factor).all() and factor.item() > 0):
        raise CheckpointError(f"a weight_scale is positive, not {factor.item()}")
    return Ternary(codes, 1 / factor.item() if divides else factor.item())
