"""Our exports as contestants: calibrated to 8 bits, or built at a width."""

from pathlib import Path

import lowbit
from lowbit.bench.subject import Subject, known, low_bit
from lowbit.ir import Graph
from lowbit.runtime import Network
from lowbit.sweep.schemes import FLOAT, scheme


def exported(subject: Subject, network: str, width: str) -> Graph:
    """`network` at `width`, a scheme of lowbit.sweep; calibrated widths are of the subject."""
    found, chosen = known(network)[0], scheme(width)
    if chosen.calibrated:
        weights = chosen.widths[0]
        return lowbit.ptq(subject.model, subject.calibration, form="F", weight_bits=weights)
    model = subject.twin if chosen == FLOAT else low_bit(found, width, subject.images)
    return lowbit.export(model, subject.images[:1].repeat(2, 1, 1, 1))


def ready(subject: Subject, graph: Graph, name: str) -> tuple[Network, Path]:
    """From the file that was written, as a user runs it."""
    file = subject.folder / f"{name}.safetensors"
    graph.save(file)
    return lowbit.load(file, batch=subject.batch, threads=subject.threads), file
