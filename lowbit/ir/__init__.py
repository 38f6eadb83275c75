"""The integer graph: what the exporter writes, the file holds and the runtime executes."""

from lowbit.ir import ops
from lowbit.ir.evaluate import evaluate
from lowbit.ir.graph import Graph, Node
from lowbit.ir.op import OPS, InvalidGraph, Op
from lowbit.ir.types import TensorType, storage
from lowbit.ir.verify import verify

__all__ = [
    "OPS",
    "Graph",
    "InvalidGraph",
    "Node",
    "Op",
    "TensorType",
    "evaluate",
    "ops",
    "storage",
    "verify",
]
