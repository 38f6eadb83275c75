"""All calibration methods side by side: what each keeps of every tensor, and of the outputs."""

from collections.abc import Iterable

from torch import nn

from lowbit.int8.calibrate import Batch, again
from lowbit.int8.debug import Probe, decibels
from lowbit.int8.lower import Int8Lowering, Settings
from lowbit.int8.methods import METHODS
from lowbit.int8.quantize import chosen, lower, prepare
from lowbit.ir.evaluate import trace

Heard = dict[str, dict[str, float]]
OUTPUT = "output"


def compare_methods(
    model: nn.Module, batches: Iterable[Batch], settings: Settings | None = None
) -> Heard:
    """SNR in decibels on the first batch, of every tensor in order of execution and, last, of the
    "output", by every method. The data are run once."""
    settings, batches = settings or Settings(), again(batches)
    captured, seen = prepare(model, batches)
    probe, heard = Probe(captured, batches), Heard()
    outputs: dict[str, float] = {}
    for method in METHODS:
        parameters = chosen(captured, seen, method)
        for row in probe.rows(Int8Lowering(captured, parameters, settings)):
            heard.setdefault(row.name, {})[method] = row.decibels
        graph = lower(captured, parameters, settings)
        got = trace(graph, *(x.numpy() for x in probe.inputs))[graph.outputs[0]]
        outputs[method] = decibels(probe.floats[probe.output], got)
    return {**heard, OUTPUT: outputs}


def best_methods(
    model: nn.Module, batches: Iterable[Batch], settings: Settings | None = None
) -> dict[str, str]:
    """The method whose codes keep most of each tensor, a method each: what `ptq` takes as its
    `method`."""
    return best(compare_methods(model, batches, settings))


def best(heard: Heard) -> dict[str, str]:
    return {
        name: max(found, key=lambda method: found[method])
        for name, found in heard.items()
        if name != OUTPUT
    }


HEADERS = ("tensor", *METHODS, "best")


def cells(heard: Heard) -> list[list[str]]:
    """For a table."""
    return [
        [name, *(f"{d:.1f}" for d in found.values()), max(found, key=lambda m: found[m])]
        for name, found in heard.items()
    ]
