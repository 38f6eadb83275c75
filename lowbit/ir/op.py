"""An operator is a type rule and a reference evaluation. Kernels are somewhere else."""

from collections.abc import Callable
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from lowbit.ir.types import TensorType


class Op(Protocol):
    """A frozen dataclass whose fields are the operator's attributes: int, float or tuples."""

    name: ClassVar[str]

    @property
    def infer(self) -> Callable[..., TensorType]:
        """Operand types to the output's type, or InvalidGraph."""
        ...

    @property
    def evaluate(self) -> Callable[..., np.ndarray]:
        """Operand arrays (activations with a batch axis in front, constants without) to the
        output's: the definition that every kernel is compared with, bit for bit."""
        ...


OPS: dict[str, type] = {}
T = TypeVar("T", bound=type)


class InvalidGraph(ValueError):
    """The graph breaks a rule of the IR. The message names the node and the rule."""


def op(name: str) -> Callable[[T], T]:
    """Registers an operator under the name that the packed file stores."""

    def register(cls: T) -> T:
        if name in OPS:
            raise ValueError(f"operator {name!r} is already {OPS[name].__qualname__}")
        OPS[name] = cls
        cls.name = name  # type: ignore[attr-defined]
        return cls

    return register


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise InvalidGraph(rule)


def constant(type_: TensorType, role: str) -> np.ndarray:
    """The value of an operand that must be a constant."""
    require(type_.value is not None, f"{role} are constant")
    assert type_.value is not None
    return type_.value
