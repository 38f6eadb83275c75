"""One trial: train or calibrate, export, verify, and measure all that the report shows."""

import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lowbit
from lowbit.accounting import Row, Summary, account, own, weighs
from lowbit.data import FashionMNIST
from lowbit.ir import Graph
from lowbit.quant.registry import INPUTS, WEIGHTS, Factory, build
from lowbit.sweep import data as datasets
from lowbit.sweep import latency, memory
from lowbit.sweep.config import Config
from lowbit.sweep.executors.attempt import Found, Tell
from lowbit.sweep.machine import load, machine
from lowbit.sweep.models import Factory as Model
from lowbit.sweep.models import float_twin
from lowbit.sweep.recipe import recipe
from lowbit.sweep.schemes import Scheme
from lowbit.sweep.train import trained

PART = 500  # test images at a time


def run(config: Config, scratch: Path, tell: Tell) -> Found:
    torch.set_num_threads(1)
    memory.forget()
    begun = time.perf_counter()
    data = datasets.same(config["data"])
    found = config["model"]
    factory = Model(found["module"], found["name"], found["arguments"])
    scheme = Scheme(**config["scheme"])
    model, seconds = trained(
        factory, scheme, recipe(config["recipe"]), config["seed"], data, scratch, tell
    )
    tell(0.9, "exporting")
    images = pixels(data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        graph = lowbit.export(model, images[:2])
        graph.save(file)
        result = quality(model, graph, file, images, data, tell)
        result["bits"] = {
            "weight": bits(scheme.weight, WEIGHTS),
            "input": bits(scheme.input, INPUTS),
        }
        tell(0.97, "timing")
        times = latency.measured(file, float_twin(factory), images, config["measure"])
        network = file.read_bytes()
    shutil.rmtree(scratch, ignore_errors=True)
    measured = {
        "train_seconds": seconds,
        "trial_seconds": time.perf_counter() - begun,
        "peak_memory": memory.peak(),
        "latency": times,
        "load": load(),
        "machine": machine(),
    }
    return Found(result, measured, network)


def pixels(data: FashionMNIST) -> Tensor:
    return torch.from_numpy(data.test_images[:, None].astype(np.float32) / np.float32(255))


def quality(
    model: nn.Module, graph: Graph, file: Path, images: Tensor, data: FashionMNIST, tell: Tell
) -> dict[str, Any]:
    """Accuracy on the integer runtime, agreement with torch, bytes, and operations by kind."""
    tell(0.92, "verifying")
    report = lowbit.verify(model, file, images.split(PART))
    tell(0.95, "running")
    scores = lowbit.load(file)(images.numpy())
    scores = scores[0] if isinstance(scores, tuple) else scores
    weights = weighed(model, graph)
    total = weights.total
    return {
        "accuracy": float((scores.argmax(1) == data.test_labels).mean()),
        "equal": report.equal_samples / report.samples,
        "exact": report.exact,
        "bytes": file.stat().st_size,
        "parameters": total.parameters,
        "operations": {
            "binary": total.binary_macs,
            "low_bit": total.low_bit_macs,
            "float": total.float_macs,
        },
        "layers": [asdict(row) for row in weights.rows],
        "notes": list(graph.notes),
    }


def weighed(model: nn.Module, graph: Graph) -> Summary:
    rows = {name: Row(name or "(top)", parameters=own(m)) for name, m in model.named_modules()}
    account(graph, rows)
    return Summary([row for row in rows.values() if weighs(row)], graph.notes)


def bits(choice: str | None, table: dict[str, Factory]) -> str:
    """The width that the heat map shows: 1, ternary, 2, ... or float."""
    quantizer = build(choice, table, channels=1)
    if quantizer is None:
        return "float"
    spec = quantizer.specs[0]
    return "ternary" if spec.levels == 3 else str(spec.bits)
