"""Commands on a torch model: `module:name` says where it is, a checkpoint what it has learnt."""

import dataclasses
import importlib
import sys
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lowbit
from lowbit import atomic
from lowbit.cli.images import fashion_mnist, from_file
from lowbit.cli.output import AsJson, print_json, print_lines

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lowbit.ir import Graph

Model = Annotated[
    str,
    typer.Argument(
        help="Where the model is: module:name, of a torch module or of a function that makes one "
        "(modules in the current folder are found; for example lowbit.zoo.larq_cnn:larq_cnn), a "
        "name of the zoo, or an .onnx file of floats."
    ),
]
Checkpoint = Annotated[
    Path, typer.Argument(help="Its weights: a Lightning .ckpt, a state_dict, or .safetensors.")
]
Shape = Annotated[str, typer.Option("--input-shape", help="Sides of one input, without the batch.")]


class Format(StrEnum):
    """What an export is written as."""

    lowbit = auto()
    tflite = auto()
    onnx = auto()
    qonnx = auto()

    def write(self, graph: "Graph", out: Path, exact: bool = False) -> None:
        if self is Format.lowbit:
            graph.save(out)
            return
        from lowbit import interchange

        options = {"exact": exact} if self is Format.onnx else {}
        atomic.write(out, getattr(interchange, f"to_{self}")(graph, **options))


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="module:name of a torch model, or a file of integers: exported before, or an "
            ".onnx that others quantized."
        ),
    ],
    checkpoint: Annotated[
        Path,
        typer.Argument(help="The model's weights; after a file of integers, what to write."),
    ],
    out: Annotated[
        Path | None, typer.Argument(help="The file to write, such as net.safetensors.")
    ] = None,
    input_shape: Shape = "1,28,28",
    to: Annotated[
        Format,
        typer.Option(help="8-bit networks go to tflite or onnx, low-bit ones to qonnx."),
    ] = Format.lowbit,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="ONNX alone: sums of codes as integers, equal to the bit."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a trained model into one file of integers, which runs without torch.

    A file of integers goes from one format to another: lowbit export net.safetensors net.tflite
    --to tflite, lowbit export quantized.onnx net.safetensors. Formats of others need the extra
    lowbit\\[interop].
    """
    if out is None:
        graph, out = integers(Path(model)), checkpoint
    else:
        graph = lowbit.export(restored(model, checkpoint), example(input_shape))
    to.write(graph, out, exact)
    size = out.stat().st_size
    report = {"file": str(out), "bytes": size, "nodes": len(graph.nodes), "notes": graph.notes}
    if as_json:
        print_json(report)
    else:
        head = f"{out}: {len(graph.nodes)} operations in {size:,} bytes"
        print_lines([head, *(f"note: {n}" for n in graph.notes)])


def verify(
    model: Model,
    checkpoint: Checkpoint,
    file: Annotated[Path, typer.Argument(help="The file that was exported from the model.")],
    images: Annotated[
        Path | None, typer.Option(help="A .npy file of inputs; default: Fashion-MNIST's test set.")
    ] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Only the 1,000 test images that lowbit brings along.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that an exported file computes what the model computes, bit for bit.

    Exits with status 1 if any value differs.
    """
    import torch

    from lowbit import pack

    graph = pack.load(file)
    data = from_file(images, graph) if images else fashion_mnist(graph, subset)
    network = restored(model, checkpoint)
    report = lowbit.verify(network, file, torch.from_numpy(data.array))
    if as_json:
        print_json({"exact": report.exact, **dataclasses.asdict(report)})
    else:
        print_lines([str(report), "exact: every bit agrees" if report.exact else "NOT exact"])
    if not report.exact:
        raise typer.Exit(1)


def summary(
    model: Model,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights; default: as built.")] = None,
    input_shape: Shape = "1,28,28",
    as_json: AsJson = False,
) -> None:
    """Show what a model weighs, layer by layer: bits, parameters, packed bytes, products."""
    found = restored(model, checkpoint) if checkpoint else built(model).eval()
    report = lowbit.summary(found, example(input_shape))
    if as_json:
        print_json(report.to_dict())
    else:
        print_lines([str(report)])


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
    """What `module:name` names, called if it is a function or class; or a file, or of the zoo."""
    from torch import nn

    if where.endswith(".onnx"):
        return from_onnx_file(Path(where))
    module, colon, name = where.partition(":")
    if not (module and colon and name):
        return of_zoo(where)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0] and error.name != module:
            raise
        raise ValueError(f"no module {module!r}, neither installed nor in {Path.cwd()}") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module} has no {name}")
        found = getattr(found, part)
    made = found if isinstance(found, nn.Module) or not callable(found) else found()
    if not isinstance(made, nn.Module):
        raise ValueError(f"{where} is {type(made).__name__}, not a torch module")
    return made


def from_onnx_file(path: Path) -> "nn.Module":
    from lowbit.interchange import InterchangeError, float_module

    try:
        return float_module(path.read_bytes())
    except InterchangeError as error:
        raise ValueError(f"{path}: {error}") from None


def of_zoo(name: str) -> "nn.Module":
    from lowbit import zoo

    if name not in zoo.list_models():
        raise ValueError(
            f"no model {name!r}: it is module:name, a name that `lowbit zoo list` shows, or an "
            ".onnx file"
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
    import pickle

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
