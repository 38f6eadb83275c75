"""Operators on operands that no exporter would give them: refused by their type rules."""

import numpy as np
import pytest

from lowbit.ir import Graph, InvalidGraph, Node, TensorType, ops, verify
from lowbit.spec import TERNARY, QuantSpec

SCALAR, ROW = TensorType((), TERNARY), TensorType((2,), QuantSpec(-9, 9))
WIDE = QuantSpec(-(2**31), 2**31 - 1)


def constant(values, spec: QuantSpec | None) -> TensorType:
    array = np.array(values)
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


ZERO = constant([[0]], QuantSpec(-9, 9))
HOSTILE = {
    "a table for a scalar": (
        *(ops.Lookup(-1), SCALAR, [constant([[0] * 3] * 2, TERNARY)], "x has channels"),
    ),
    "a window of a scalar": (ops.MaxPool((), (), (), ()), SCALAR, [], "x is .*sides, C"),
    "a mean window of a scalar": (ops.AvgPool((), (), ()), SCALAR, [], "x is .*sides, C"),
    "a direction of 7": (
        *(ops.Threshold(0, 1, 1), ROW, [ZERO, constant([7], QuantSpec(0, 7))], "0 or 1"),
    ),
    "a direction of a half": (
        *(ops.Threshold(0, 1, 1), ROW, [ZERO, constant([0.5], None)], "0 or 1"),
    ),
    "sums past int64": (
        *(ops.Linear(), TensorType((4,), WIDE)),
        *([constant([[-(2**31)] * 4], QuantSpec(-(2**31), 0))], "beyond 2.53"),
    ),
}


@pytest.mark.parametrize(("op", "x", "constants", "message"), HOSTILE.values(), ids=HOSTILE)
def test_odd_operands_are_refused(op, x, constants, message):
    names = tuple(f"c{i}" for i in range(len(constants)))
    given = dict(zip(names, constants, strict=True))
    with pytest.raises(InvalidGraph, match=message):
        verify(Graph({"x": x}, given, (Node(op, ("x", *names), "y"),), ("y",)))
