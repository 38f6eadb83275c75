r"""Float against quantized, tensor by tensor: where an 8-bit network loses what it loses.

For a float tensor x and its codes' real values y,

    SNR = 10 log10(sum x^2 / sum (x - y)^2),   cosine = <x, y> / (|x| |y|),                   (1)

beside the largest error and the share of codes in use.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.calibrate import Batch, again, interpret
from lowbit.int8.lower import Int8Lowering, Settings
from lowbit.int8.quantize import chosen, prepare
from lowbit.ir.evaluate import trace
from lowbit.spec import INT8
from lowbit.tables import render


@dataclass(frozen=True)
class Row:
    """One tensor of the network."""

    name: str
    decibels: float
    cosine: float
    largest_error: float
    codes_used: float  # a share of the alphabet


def compare_layers(
    model: nn.Module,
    batches: Iterable[Batch],
    method: str | dict[str, str] = "minmax",
    settings: Settings | None = None,
) -> list[Row]:
    """Every quantized tensor on the first batch, in order of execution."""
    batches = again(batches)
    captured, seen = prepare(model, batches)
    lowering = Int8Lowering(captured, chosen(captured, seen, method), settings or Settings())
    return Probe(captured, batches).rows(lowering)


class Probe:
    """The floats of the first batch, to hold any codes of them against."""

    def __init__(self, captured: Captured, batches: Iterable[Batch]) -> None:
        self.inputs = first_inputs(captured, next(iter(batches)))
        self.floats = real_values(captured, self.inputs)
        self.output = captured.outputs[0]

    def rows(self, lowering: Int8Lowering) -> list[Row]:
        graph = lowering.graph()
        values = trace(graph, *(x.numpy() for x in self.inputs))
        rows = []
        for node, value in lowering.values.items():
            if value.name in lowering.codes and node in self.floats:
                scale, zero = lowering.codes[value.name]
                codes = values[value.name].astype(np.float32)
                order = (0, *(value.axes.index(a) + 1 for a in range(len(value.axes))))
                got = ((codes - zero) * scale).transpose(order)
                rows.append(row(node.name, self.floats[node], got, codes))
        return rows


def real_values(captured: Captured, inputs) -> dict[Node, np.ndarray]:
    found: dict[Node, np.ndarray] = {}
    interpret(captured, inputs, lambda node, x: found.__setitem__(node, x.float().numpy().copy()))
    return found


def row(
    name: str, want: np.ndarray, got: np.ndarray, codes: np.ndarray, levels: int = INT8.levels
) -> Row:
    """Equation (1)."""
    x, y = want.astype(np.float64).ravel(), got.astype(np.float64).reshape(want.shape).ravel()
    norm = np.sqrt((x**2).sum() * (y**2).sum())
    return Row(
        name,
        decibels(x, y),
        float(x @ y / norm) if norm else 1.0,
        float(abs(x - y).max()),
        len(np.unique(codes)) / levels,
    )


def decibels(want: np.ndarray, got: np.ndarray) -> float:
    """The SNR of equation (1)."""
    x, y = want.astype(np.float64), got.astype(np.float64)
    noise, power = ((x - y) ** 2).sum(), (x**2).sum()
    return float(10 * np.log10(max(power, 1e-300) / max(noise, 1e-300)))


def first_inputs(captured: Captured, batch: Batch) -> tuple[Tensor, ...]:
    parts = batch if isinstance(batch, tuple | list) else (batch,)
    return tuple(parts[: len(captured.inputs)])


HEADERS = ("tensor", "SNR, dB", "cosine", "largest error", "codes used")


def cells(rows: list[Row]) -> list[list]:
    """For a table."""
    return [
        [
            r.name,
            f"{r.decibels:.1f}",
            f"{r.cosine:.4f}",
            f"{r.largest_error:.4g}",
            f"{r.codes_used:.0%}",
        ]
        for r in rows
    ]


def table(rows: list[Row]) -> str:
    """For people."""
    return render(HEADERS, cells(rows))
