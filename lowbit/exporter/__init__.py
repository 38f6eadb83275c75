"""From a torch model in evaluation mode to a verified integer graph."""

from torch import Tensor, nn

from lowbit.exporter import rules
from lowbit.exporter.capture import capture
from lowbit.exporter.errors import ExportError
from lowbit.exporter.lower import Lowering
from lowbit.exporter.simplify import simplify
from lowbit.ir import Graph, verify

__all__ = ["ExportError", "export", "rules"]


def export(model: nn.Module, example: Tensor | tuple[Tensor, ...]) -> Graph:
    """The integer graph of `model`, which is not changed.

    `example` is a batch of its inputs (float32, or uint8 for image codes), of which the first
    sample is used. `graph.notes` says where exact agreement with torch ends, if anywhere.
    Raises ExportError, naming the operation, the module and the line, for what has no rule.
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    graph = simplify(Lowering(capture(model, inputs)).graph())
    verify(graph)
    return graph
