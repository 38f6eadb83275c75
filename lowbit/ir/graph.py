"""Nodes in execution order, each tensor assigned once."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lowbit.ir.op import Op
from lowbit.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Node:
    op: Op
    inputs: tuple[str, ...]
    output: str
    source: str = ""  # the module path it was exported from, for people

    def __str__(self) -> str:
        return f"{self.output} = {self.op}({', '.join(self.inputs)})"


@dataclass(frozen=True)
class Graph:
    """An integer program: inputs and constants are named tensors, nodes compute the rest.

    `notes` are the exporter's remarks on where exact agreement with the float model ends.
    """

    inputs: dict[str, TensorType]
    constants: dict[str, TensorType]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def save(self, path: str | Path) -> None:
        """Writes one .safetensors file, atomically."""
        from lowbit.pack import save

        save(self, path)

    def constant(self, name: str) -> np.ndarray:
        value = self.constants[name].value
        assert value is not None
        return value
