"""A model from the command line: built where its name says, with the weights of a checkpoint."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lowbit.factory import called, factory, found
from lowbit.zoo.names import nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lowbit.ir import Graph


def integers(file: Path) -> "Graph":
    """The graph of an exported file, or of an ONNX model that has been quantized."""
    if file.suffix != ".onnx":
        from lowbit import pack

        return pack.load(file)
    from lowbit.interchange import InterchangeError, from_onnx

    try:
        return from_onnx(file.read_bytes())
    except InterchangeError as error:
        raise ValueError(f"{file}: {error}") from None


def example(shape: str) -> "Tensor":
    import torch

    try:
        sides = tuple(int(side) for side in shape.split(","))
        return torch.zeros(2, *sides)
    except (ValueError, RuntimeError):
        raise typer.BadParameter(f"--input-shape is sides and commas, 1,28,28: {shape}") from None


def built(where: str) -> "nn.Module":
    """What `module:name` names, called unless it is a model; or an .onnx file, or of the zoo."""
    from torch import nn

    if where.endswith(".onnx"):
        return from_onnx_file(Path(where))
    if ":" not in where:
        return of_zoo(where)
    named = factory(where)
    there = found(named)
    return there if isinstance(there, nn.Module) else called(named)


def from_onnx_file(path: Path) -> "nn.Module":
    from lowbit.interchange import InterchangeError, float_module

    try:
        return float_module(path.read_bytes())
    except InterchangeError as error:
        raise ValueError(f"{path}: {error}") from None


def of_zoo(name: str) -> "nn.Module":
    from lowbit import zoo

    if name not in zoo.list_models():
        hint = nearest(name, zoo.list_models())
        raise ValueError(
            f"no model {name!r}: {hint}it is module:name, a name that `lowbit zoo list` shows, or "
            "an .onnx file"
        )
    return zoo.create_model(name)


def restored(where: str, checkpoint: Path) -> "nn.Module":
    """The model in evaluation mode with the checkpoint's weights; nothing in it is executed."""
    model = built(where)
    saved = weights(checkpoint)
    keys = set(model.state_dict())
    if not keys & set(saved):  # a LightningModule keeps its network in an attribute, often `model`
        saved = {name.removeprefix("model."): value for name, value in saved.items()}
    if set(saved) != keys:
        raise ValueError(f"{checkpoint}: not of this model: {difference(keys, set(saved))}")
    try:
        model.load_state_dict(saved)
    except RuntimeError as error:
        raise ValueError(f"{checkpoint}: not of this model: {error}") from None
    return model.eval()


def difference(wanted: set[str], found: set[str]) -> str:
    missing, spare = sorted(wanted - found)[:3], sorted(found - wanted)[:3]
    return f"it lacks {missing} and has {spare} instead"


def weights(checkpoint: Path) -> dict[str, "Tensor"]:
    import safetensors
    import torch
    from safetensors.torch import load_file

    if not checkpoint.is_file():
        raise FileNotFoundError(2, "No such file", str(checkpoint))
    try:
        if checkpoint.suffix == ".safetensors":
            return load_file(checkpoint)
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{checkpoint}: not a checkpoint of weights alone: {reason}") from None
    saved = saved.get("state_dict", saved) if isinstance(saved, dict) else saved
    if not isinstance(saved, dict) or not all(isinstance(v, torch.Tensor) for v in saved.values()):
        raise ValueError(f"{checkpoint}: holds no state_dict")
    return saved
