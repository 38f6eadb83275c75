"""An 8-bit graph as a TensorFlow Lite model: its operators are that runtime's, put differently.

An accumulator and its requantization become one operator; the input's zero point goes back out of
the bias, and a dequantization's subtraction and product become one operator. What TensorFlow Lite
computes is then, in form D, TFLite Micro's reference, and in form F, XNNPACK.
"""

from lowbit.interchange.tflite import codes, elementwise, places, pools, products
from lowbit.interchange.tflite.writer import Writer
from lowbit.ir import Graph

__all__ = ["codes", "elementwise", "places", "pools", "products", "to_tflite"]


def to_tflite(graph: Graph, batch: int = 1) -> bytes:
    """The flatbuffer. Raises InterchangeError for what the format or its kernels do not have."""
    return Writer(graph, batch).write()
