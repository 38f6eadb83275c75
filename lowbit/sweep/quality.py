"""What a trained and exported network is worth: right answers, agreement, bytes, operations."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

import lowbit
from lowbit.accounting import Row, Summary, account, own, weighs
from lowbit.data import FashionMNIST
from lowbit.ir import Graph
from lowbit.ir.evaluate import evaluate
from lowbit.quant.registry import INPUTS, WEIGHTS, Factory, build
from lowbit.sweep.schemes import Scheme

PART = 500  # test images at a time


def against_torch(model: nn.Module, file: Path, images: Tensor) -> dict[str, Any]:
    report = lowbit.verify(model, file, images.split(PART))
    return {"equal": report.equal_samples / report.samples, "exact": report.exact}


def against_definitions(model: nn.Module, file: Path, images: Tensor) -> dict[str, Any]:
    """Torch has no integers of a calibrated network: the graph's definitions, slow and plain, are
    what the runtime is held to, on the first part of the images."""
    x = images[:PART].numpy()
    wanted, found = evaluate(lowbit.load(file).graph, x), lowbit.load(file)(x)
    same = [(a == b).reshape(len(x), -1).all(1) for a, b in zip(wanted, each(found), strict=True)]
    equal = np.all(same, axis=0)
    return {"equal": float(equal.mean()), "exact": bool(equal.all())}


def each(outputs) -> tuple:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def quality(
    model: nn.Module, graph: Graph, file: Path, images: Tensor, data: FashionMNIST
) -> dict[str, Any]:
    """Accuracy on the integer runtime, bytes, and operations by kind."""
    scores = lowbit.load(file)(images.numpy())
    scores = each(scores)[0]
    weights = weighed(model, graph)
    total = weights.total
    return {
        "accuracy": float((scores.argmax(1) == data.test_labels).mean()),
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


def widths(scheme: Scheme) -> dict[str, str]:
    """What the heat map shows: 1, ternary, 2, ... or float."""
    if scheme.calibrated:
        weight, input = scheme.widths
        return {"weight": str(weight), "input": str(input)}
    if scheme.mixed:
        return {"weight": "mixed", "input": "mixed"}
    return {"weight": bits(scheme.weight, WEIGHTS), "input": bits(scheme.input, INPUTS)}


def bits(choice: str | None, table: dict[str, Factory]) -> str:
    quantizer = build(choice, table, channels=1)
    if quantizer is None:
        return "float"
    spec = quantizer.specs[0]
    return "ternary" if spec.levels == 3 else str(spec.bits)
