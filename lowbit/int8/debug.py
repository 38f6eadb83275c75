r"""Float against quantized, tensor by tensor: where an 8-bit network loses what it loses.

For a float tensor x and its codes' real values y,

    SNR = 10 log10(sum x^2 / sum (x - y)^2),   cosine = <x, y> / (|x| |y|),                   (1)

beside the largest error and the share of codes in use.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import nn
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.calibrate import Batch, interpret
from lowbit.int8.lower import Int8Lowering, Settings
from lowbit.int8.methods import METHODS
from lowbit.int8.quantize import chosen, lower, prepare
from lowbit.ir.evaluate import trace


@dataclass(frozen=True)
class Row:
    """One tensor of the network."""

    name: str
    decibels: float
    cosine: float
    largest_error: float
    codes_used: float  # a share of 256


def compare_layers(
    model: nn.Module,
    batches: Iterable[Batch],
    method: str = "minmax",
    settings: Settings | None = None,
) -> list[Row]:
    """Every quantized tensor on the first batch, in order of execution."""
    batches = list(batches)
    captured, seen = prepare(model, batches)
    lowering = Int8Lowering(captured, chosen(captured, seen, method), settings or Settings())
    graph = lowering.graph()
    first = batches[0] if isinstance(batches[0], tuple | list) else (batches[0],)
    inputs = tuple(first[: len(captured.inputs)])
    values = trace(graph, *(x.numpy() for x in inputs))
    floats = real_values(captured, inputs)
    rows = []
    for node, value in lowering.values.items():
        if value.name in lowering.codes and node in floats:
            scale, zero = lowering.codes[value.name]
            codes = values[value.name].astype(np.float32)
            order = (0, *(value.axes.index(a) + 1 for a in range(len(value.axes))))
            rows.append(
                row(node.name, floats[node], ((codes - zero) * scale).transpose(order), codes)
            )
    return rows


def real_values(captured: Captured, inputs) -> dict[Node, np.ndarray]:
    found: dict[Node, np.ndarray] = {}
    interpret(captured, inputs, lambda node, x: found.__setitem__(node, x.float().numpy().copy()))
    return found


def row(name: str, want: np.ndarray, got: np.ndarray, codes: np.ndarray) -> Row:
    """Equation (1)."""
    x, y = want.astype(np.float64).ravel(), got.astype(np.float64).reshape(want.shape).ravel()
    noise, power = ((x - y) ** 2).sum(), (x**2).sum()
    norm = np.sqrt(power * (y**2).sum())
    return Row(
        name,
        float(10 * np.log10(max(power, 1e-300) / max(noise, 1e-300))),
        float(x @ y / norm) if norm else 1.0,
        float(abs(x - y).max()),
        len(np.unique(codes)) / 256,
    )


def compare_methods(
    model: nn.Module, batches: Iterable[Batch], form: str = "D"
) -> dict[str, float]:
    """The SNR of the outputs in decibels on the first batch, a calibration method each."""
    batches = list(batches)
    captured, seen = prepare(model, batches)
    first = batches[0] if isinstance(batches[0], tuple | list) else (batches[0],)
    inputs = tuple(first[: len(captured.inputs)])
    want = interpret(captured, inputs, lambda node, x: None)[0].numpy()
    heard = {}
    for method in METHODS:
        graph = lower(captured, chosen(captured, seen, method), Settings(form))
        got = trace(graph, *(x.numpy() for x in inputs))[graph.outputs[0]]
        heard[method] = row(method, want, got, got).decibels
    return heard


def table(rows: list[Row]) -> str:
    """For people."""
    lines = [f"{'tensor':<32}{'SNR dB':>9}{'cosine':>9}{'max error':>12}{'codes used':>12}"]
    lines += [
        f"{r.name:<32.32}{r.decibels:>9.1f}{r.cosine:>9.4f}{r.largest_error:>12.4g}{r.codes_used:>12.0%}"
        for r in rows
    ]
    return "\n".join(lines)
