"""Commands on a torch model: `module:name` says where it is, a checkpoint what it has learnt."""

import dataclasses
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lowbit
from lowbit import atomic
from lowbit.cli.images import fashion_mnist, from_file
from lowbit.cli.output import AsJson, print_json, print_lines
from lowbit.cli.restore import built, example, integers, restored

if TYPE_CHECKING:
    from lowbit.ir import Graph

Model = Annotated[
    str,
    typer.Argument(
        help="Where the model is: module:name, of a torch module or of a function that makes one "
        "(modules in the current folder are found; for example mine:net, or mine:net(width=2)), a "
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
