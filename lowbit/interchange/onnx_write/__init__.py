"""An 8-bit graph as an ONNX model of float operators between quantize and dequantize nodes.

ONNX Runtime joins a product with the nodes around it and computes form F, to the bit. Sums,
averages and products of codes it computes in floats: those differ from ours by a code at ties,
unless they are written as exact.py has them. Weights of up to 2, 4 and 8 bits are stored as
INT2 (opset 25), INT4 (21) and INT8 (13).
"""

from lowbit.interchange.onnx_write import codes, elementwise, places, pools
from lowbit.interchange.onnx_write import exact as exact_rules
from lowbit.interchange.onnx_write.writer import RULES, Writer
from lowbit.ir import Graph

__all__ = ["codes", "elementwise", "places", "pools", "to_onnx"]


def to_onnx(graph: Graph, exact: bool = False) -> bytes:
    """The model, its batch of any size. Raises InterchangeError for what ONNX cannot say.

    `exact` writes sums and averages of codes as integer arithmetic, which gives our codes in any
    runtime; without it they are float operators, which runtimes know how to join with the nodes
    around them, and which `from_onnx` reads.
    """
    return Writer(graph, RULES | exact_rules.RULES if exact else RULES).write()
