"""What a name of an ONNX model stands for while it is read."""

from dataclasses import dataclass

import numpy as np

from lowbit.spec import Parameters


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, whose axis i is ONNX's feature axis axes[i]. With a worth it stands
    for the real numbers of its codes."""

    name: str
    axes: tuple[int, ...]
    worth: Parameters | None = None


@dataclass(frozen=True)
class Weights:
    """Codes of a constant around zero, and a scale, one or one along `axis`."""

    codes: np.ndarray
    scales: np.ndarray
    axis: int


@dataclass(frozen=True)
class Sums:
    """Sums of products, worth scale * scales * (sum + bias), and how an activation clamps them."""

    value: Value
    scale: float
    scales: np.ndarray
    bias: np.ndarray
    lo: float = -np.inf
    hi: float = np.inf


@dataclass(frozen=True)
class Index:
    """Codes less the first of them, as places in a table."""

    value: Value
    start: int


Known = Value | Weights | Sums | Index | np.ndarray


def along(values: np.ndarray, rank: int, axis: int) -> np.ndarray:
    sides = [1] * rank
    if values.size > 1:
        sides[axis] = -1
    return values.reshape(sides)
