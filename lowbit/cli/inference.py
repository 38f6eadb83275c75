"""Commands on an exported file: numpy and numba do it, torch is never imported."""

import dataclasses
import math
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from lowbit import pack
from lowbit.atomic import replacing
from lowbit.cli.images import Images, fashion_mnist, from_file
from lowbit.cli.output import AsJson, print_json, print_lines, print_table
from lowbit.ir import Graph, TensorType, verify
from lowbit.pack import payload_bytes

if TYPE_CHECKING:
    from lowbit.runtime.explain import Explanation

File = Annotated[Path, typer.Argument(help="A network that was exported to one file.")]


def run(
    file: File,
    images: Annotated[
        Path | None, typer.Argument(help="A NumPy file (.npy) of images, the batch in front.")
    ] = None,
    fashion: Annotated[
        bool, typer.Option("--fashion-mnist", help="Run the 10,000 test images instead.")
    ] = False,
    subset: Annotated[
        bool, typer.Option("--subset", help="Only the 1,000 test images that lowbit brings along.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the network's outputs to this .npy file.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that share each image.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run an exported network on images, without torch.

    Prints the predicted classes or, for Fashion-MNIST, the accuracy, and the time an image takes.
    """
    if (images is None) != (fashion or subset):
        raise typer.BadParameter("give either IMAGES or --fashion-mnist or --subset")
    from lowbit.runtime import Network

    graph = pack.load(file)
    data = from_file(images, graph) if images else fashion_mnist(graph, subset)
    network = Network(graph, threads=threads)
    network(data.array[:1])  # compiles what this machine has not compiled before
    start = time.perf_counter()
    outputs = network(data.array)
    milliseconds = 1000 * (time.perf_counter() - start) / len(data.array)
    scores = outputs[0] if isinstance(outputs, tuple) else outputs
    if save is not None:
        with replacing(save) as unfinished, unfinished.open("wb") as target:
            np.save(target, scores)
    report = {"file": str(file), **results(scores, data), "ms_per_image": milliseconds}
    if as_json:
        print_json(report)
    else:
        print_lines(described(report))


def results(scores: np.ndarray, data: Images) -> dict[str, object]:
    classes = scores.reshape(len(scores), -1).argmax(1)
    report: dict[str, object] = {"images": len(scores), "source": data.source}
    if data.labels is None:
        return {**report, "predictions": classes.tolist()}
    correct = int((classes == data.labels).sum())
    return {**report, "correct": correct, "accuracy": correct / len(scores)}


def described(report: dict) -> list[str]:
    speed = f"{report['images']} images ({report['source']}), {report['ms_per_image']:.3g} ms each"
    if "accuracy" in report:
        return [f"accuracy {report['accuracy']:.2%}: {report['correct']} right", speed]
    counts = sorted(Counter(report["predictions"]).items())
    return [*(f"class {c}: {n} images" for c, n in counts), speed]


def inspect(
    file: File,
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Also say which kernel runs each step, and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an exported file holds: every step, its shape, its bits and its bytes."""
    graph = pack.load(file)
    rows, notes = steps(graph), list(graph.notes)
    explained = explanation(graph) if kernels else None
    if as_json:
        size = {"file": str(file), "bytes": file.stat().st_size}
        found = explained and dataclasses.asdict(explained)
        print_json({**size, "steps": rows, "notes": notes, "kernels": found})
        return
    title = f"{file}: {file.stat().st_size:,} bytes"
    print_table(list(rows[0]), [list(row.values()) for row in rows], title)
    print_lines([f"note: {n}" for n in notes] + ([str(explained)] if explained else []))


def explanation(graph: Graph) -> "Explanation":
    from lowbit.runtime import Network

    return Network(graph).explain()


def steps(graph: Graph) -> list[dict[str, object]]:
    """A row an input and a node. A constant's bytes are counted where it is first used."""
    types, counted = verify(graph), set[str]()
    rows = [step(name, "input", t, 0, "") for name, t in graph.inputs.items()]
    for node in graph.nodes:
        fresh = (set(node.inputs) & set(graph.constants)) - counted
        counted |= fresh
        size = sum(payload_bytes(graph.constants[name]) for name in fresh)
        op = node.op.name
        rows.append(step(node.output, op, types[node.output], size, node.source))
    return rows


def step(name: str, op: str, type_: TensorType, size: int, source: str) -> dict[str, object]:
    alphabet = "float32" if type_.spec is None else str(type_.spec)
    bits = 32 if type_.spec is None else type_.spec.bits
    shape = " x ".join(map(str, type_.shape)) or "1"
    return {
        "tensor": name,
        "operation": op,
        "shape": shape,
        "values": alphabet,
        "bits": bits,
        "elements": math.prod(type_.shape),
        "constant bytes": size,
        "module": source,
    }
