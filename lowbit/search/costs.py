"""What a layer costs at a width: bytes and milliseconds of the exported network, measured.

The network is exported and timed once a width, all layers alike, step by step of its plan. A mixed
network's cost is then a sum; what belongs to no layer is counted at its mean. Where neighbours
differ in width the sum is an estimate, and the networks that are kept are measured whole.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

import lowbit
from lowbit.accounting import account
from lowbit.bench.steps import step_times
from lowbit.ir import Graph
from lowbit.search.candidates import Candidates

Shares = dict[str, float]  # by the layer's name; the rest under ""


@dataclass(frozen=True, slots=True)
class Costs:
    """`shares[width][layer]`."""

    unit: str
    shares: dict[str, Shares]

    def of(self, layers: Sequence[str], widths: Sequence[str]) -> float:
        rest = fmean(shares[""] for shares in self.shares.values())
        return rest + sum(self.shares[w][name] for name, w in zip(layers, widths, strict=True))


def measured(found: Candidates, widths: Sequence[str], batch: int) -> dict[str, Costs]:
    """Costs in bytes and in ms of an image, `batch` at a time on one thread."""
    size: dict[str, Shares] = {}
    time: dict[str, Shares] = {}
    with tempfile.TemporaryDirectory() as folder:
        for width in widths:
            model = found.network([width] * len(found.layers))
            graph = lowbit.export(model, found.images[:2])
            file = Path(folder) / "network.safetensors"
            graph.save(file)
            size[width] = bytes_of(graph, found.layers, file.stat().st_size)
            time[width] = times_of(graph, found, batch)
    return {"bytes": Costs("bytes", size), "ms": Costs("ms", time)}


def bytes_of(graph: Graph, layers: Sequence[str], total: int) -> Shares:
    rows: dict = {}
    account(graph, rows)
    shares = dict.fromkeys(["", *layers], 0.0)
    for name in layers:
        shares[name] += rows[name].bytes if name in rows else 0
    shares[""] = total - sum(shares.values())
    return shares


def times_of(graph: Graph, found: Candidates, batch: int) -> Shares:
    network = lowbit.Network(graph, batch=batch)
    x = np.ascontiguousarray(found.images[:batch].numpy())
    sources = {node.output: node.source for node in graph.nodes}
    shares = dict.fromkeys(["", *found.layers], 0.0)
    for step in step_times(network, x):
        owner = next((s for s in map(sources.get, step.nodes.split()) if s in shares and s), "")
        shares[owner] += step.ms / batch
    return shares
