"""ONNX models, quantized by others or written here, as graphs.

Codes stay codes: a product between dequantize and quantize nodes, or a QLinear operator, becomes a
product of integers and a requantization in form F, as ONNX Runtime computes them; what moves or
pools codes runs on them. Anything else is float32 arithmetic between the codes, as the standard
defines it. ONNX has channels first, the graph last: a `Value` knows where its axes are.
"""

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_model import guarded
from lowbit.interchange.onnx_read import (
    codes,
    elementwise,
    pools,
    products,
    qlinear,
    shapes,
    tables,
)
from lowbit.interchange.onnx_read.reader import Reader
from lowbit.ir import Graph, InvalidGraph, verify

__all__ = ["codes", "elementwise", "from_onnx", "pools", "products", "qlinear", "shapes", "tables"]


def from_onnx(data: bytes) -> Graph:
    """The graph of a model. Raises InterchangeError, naming the node, for what is not read."""
    reader = Reader(data)
    graph = guarded(reader.graph, "not a sound ONNX model")
    try:
        verify(graph)
    except InvalidGraph as error:
        raise InterchangeError(f"{error!s:.300}") from None
    return graph
