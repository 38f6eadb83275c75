"""Commands on float models and 8 bits: quantize one after training, and see what that costs."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lowbit
from lowbit.cli.models import Model
from lowbit.cli.output import AsJson, print_json, print_lines, print_table
from lowbit.cli.restore import built, restored

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lowbit.int8.debug import Row

Data = Annotated[
    str,
    typer.Argument(
        help="Examples: a .npy file with the batch in front, or fashion_mnist, or "
        "fashion_mnist_subset, whose training images are taken as k / 255."
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="A .ckpt, state_dict or .safetensors; default: as built.")
]
Samples = Annotated[int, typer.Option(min=1, help="How many examples to take.")]
Method = Annotated[
    str,
    typer.Option(help="minmax, moving_average, percentile, entropy or mse; best: each tensor's."),
]
Bits = Annotated[int, typer.Option(help="Of the weights, 2 to 8.")]
Tensorwise = Annotated[bool, typer.Option("--per-tensor", help="One weight scale a layer.")]
BATCH = 20


def ptq(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Argument(help="The file to write, such as net.safetensors.")],
    weights: Weights = None,
    samples: Samples = 100,
    method: Method = "minmax",
    weight_bits: Bits = 8,
    activation_bits: Annotated[int, typer.Option(help="2 to 8, or 16 in form D.")] = 8,
    per_tensor: Tensorwise = False,
    form: Annotated[
        str, typer.Option(help="D: TensorFlow Lite's reference; F: XNNPACK and ONNX Runtime.")
    ] = "D",
    integer_only: Annotated[
        bool, typer.Option("--integer-only", help="Codes in and out; refuse what stays float.")
    ] = False,
    unsigned_ends: Annotated[
        bool, typer.Option("--uint8", help="With --integer-only: uint8 codes, not int8.")
    ] = False,
    equalized: Annotated[bool, typer.Option("--equalize", help="Even out channels.")] = False,
    bias_corrected: Annotated[
        bool, typer.Option("--correct-biases", help="Take mean rounding errors out.")
    ] = False,
    adaptive: Annotated[
        bool, typer.Option("--adaround", help="Round weights for the outputs' sake.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a trained float model into one file of 8-bit integers, with some examples to see."""
    network, batches = loaded(model, weights), examples(data, samples)
    graph = lowbit.ptq(
        network,
        shown(batches, as_json),
        methods(network, batches, method),
        per_channel=not per_tensor,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        integer_only=integer_only,
        unsigned_ends=unsigned_ends,
        form=form,
        equalized=equalized,
        bias_corrected=bias_corrected,
        adaptive=adaptive,
    )
    graph.save(out)
    size, floats = out.stat().st_size, float_bytes(network)
    report = {"file": str(out), "bytes": size, "float_bytes": floats, "notes": graph.notes}
    if as_json:
        print_json({**report, "nodes": len(graph.nodes)})
        return
    head = f"{out}: {size:,} bytes, {floats / size:.1f} times smaller than float32"
    print_lines([head, *(f"note: {n}" for n in graph.notes)])


def debug(
    model: Model,
    data: Data,
    weights: Weights = None,
    samples: Samples = 100,
    method: Method = "minmax",
    weight_bits: Bits = 8,
    per_tensor: Tensorwise = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="All methods side by side, and nothing else.")
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also what each layer alone costs: slower.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Write a picture to this .png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what quantization costs, layer by layer: a float model in 8 bits, or a low-bit model.

    SNR is that of a tensor's codes against its floats. With --sensitivity, each layer is switched
    on its own (8 bits on, or low-bit quantizers off) and the outputs are compared.
    """
    network, batches = loaded(model, weights), examples(data, samples)
    if compare:
        side_by_side(network, batches, weight_bits, not per_tensor, as_json)
        return
    rows, costs = diagnosis(network, batches, method, weight_bits, not per_tensor, sensitivity)
    if picture:
        from lowbit.int8.picture import draw

        draw(rows, costs, picture)
    if as_json:
        print_json({"tensors": [asdict(r) for r in rows], "sensitivity": costs})
        return
    from lowbit.int8.debug import HEADERS, cells
    from lowbit.int8.sensitivity import ranked

    print_table(HEADERS, cells(rows))
    if costs:
        title = "outputs with one layer switched, worst first"
        print_table(["layer", "SNR, dB"], [[n, f"{d:.1f}"] for n, d in ranked(costs)], title)
    if picture:
        print_lines([f"picture: {picture}"])


def side_by_side(
    network: "nn.Module", batches: list["Tensor"], bits: int, per_channel: bool, as_json: bool
) -> None:
    from lowbit.int8.compare import HEADERS, cells, compare_methods
    from lowbit.int8.lower import Settings

    heard = compare_methods(network, batches, Settings("D", bits, per_channel))
    if as_json:
        print_json(heard)
    else:
        print_table(HEADERS, cells(heard), "SNR in dB of every tensor's codes, by method")


def diagnosis(
    network: "nn.Module",
    batches: list["Tensor"],
    method: str,
    bits: int,
    per_channel: bool,
    sensitivity: bool,
) -> tuple[list["Row"], dict[str, float]]:
    from lowbit.int8.debug import compare_layers
    from lowbit.int8.low_bit import compare_quantizers
    from lowbit.int8.lower import Settings
    from lowbit.int8.sensitivity import low_bit_layers, one_at_a_time, one_switched_off

    if low_bit_layers(network):
        costs = one_switched_off(network, batches[0]) if sensitivity else {}
        return compare_quantizers(network, batches[0]), costs
    settings, how = Settings("D", bits, per_channel), methods(network, batches, method)
    costs = one_at_a_time(network, batches, how, settings) if sensitivity else {}
    return compare_layers(network, batches, how, settings), costs


def loaded(model: str, weights: Path | None) -> "nn.Module":
    return restored(model, weights) if weights else built(model).eval()


def methods(network: "nn.Module", batches: list["Tensor"], method: str) -> str | dict[str, str]:
    from lowbit.int8.compare import best_methods
    from lowbit.int8.quantize import METHODS

    if method not in (*METHODS, "best"):
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)} and best")
    return best_methods(network, batches) if method == "best" else method


def float_bytes(network: "nn.Module") -> int:
    return sum(4 * t.numel() for t in network.state_dict().values() if t.is_floating_point())


def examples(data: str, samples: int) -> list["Tensor"]:
    """Batches of `samples` examples."""
    import numpy as np
    import torch

    if data in ("fashion_mnist", "fashion_mnist_subset"):
        from lowbit.data import load_fashion_mnist, load_fashion_mnist_subset

        found = load_fashion_mnist() if data == "fashion_mnist" else load_fashion_mnist_subset()
        array = found.train_images[:samples, None].astype(np.float32) / np.float32(255)
    else:
        array = from_file(Path(data))[:samples]
        if not array.size:
            raise ValueError(f"{data}: there are no examples in it: a few dozen are enough")
    return list(torch.from_numpy(np.ascontiguousarray(array)).split(BATCH))


def from_file(path: Path):
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a NumPy file of plain numbers: {error}") from None
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise ValueError(f"{path}: values are {array.dtype}: float32 or uint8 are wanted")
    return array.astype(np.float32)


def shown(batches: list["Tensor"], quiet: bool) -> Iterable["Tensor"]:
    """The batches, with a bar as they are used."""
    if quiet:
        return batches
    return bar(batches)


def bar(batches: list["Tensor"]) -> Iterator["Tensor"]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    silent = not console.is_terminal
    yield from track(batches, "calibrating", console=console, transient=True, disable=silent)
