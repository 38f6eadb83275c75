"""The rules of the IR, checked after export, after every pass and after every load."""

import math

import numpy as np

from lowbit.ir.graph import Graph
from lowbit.ir.op import InvalidGraph, require
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec

INT32 = np.iinfo(np.int32)
MAX_SIDE = 2**20
MAX_ELEMENTS = 2**31 - 1


def verify(graph: Graph) -> dict[str, TensorType]:
    """The type of every tensor in a valid graph; InvalidGraph, naming the node, for any other."""
    types: dict[str, TensorType] = {}
    for name, type_ in graph.inputs.items():
        checked(name, check_type, type_)
        types[name] = type_
    for name, type_ in graph.constants.items():
        checked(name, require, name not in types, "it is assigned twice")
        checked(name, check_constant, type_)
        types[name] = type_
    for node in graph.nodes:
        types[node.output] = checked(str(node), infer, node, types)
    for name in graph.outputs:
        require(name in types, f"output {name} is never assigned")
    require(bool(graph.outputs), "a graph has an output")
    return types


def checked(where, rule, *arguments):
    """Runs a rule; what it raises is told with the place."""
    try:
        return rule(*arguments)
    except InvalidGraph as error:
        raise InvalidGraph(f"{where}: {error}") from None


def infer(node, types) -> TensorType:
    require(node.output not in types, "its output is assigned twice")
    for name in node.inputs:
        require(name in types, f"{name} is used before it is assigned")
    try:
        type_ = node.op.infer(*(types[name] for name in node.inputs))
    except TypeError as error:
        raise InvalidGraph(f"it does not take {len(node.inputs)} operands ({error})") from None
    check_type(type_)
    return type_


def check_type(type_: TensorType) -> None:
    require(all(1 <= side <= MAX_SIDE for side in type_.shape), f"sides are in 1..2^20: {type_}")
    require(math.prod(type_.shape) <= MAX_ELEMENTS, f"at most 2^31 - 1 elements: {type_}")
    if type_.spec is not None:
        require(
            INT32.min <= type_.spec.lo and type_.spec.hi <= INT32.max, f"sums fit int32: {type_}"
        )


def check_constant(type_: TensorType) -> None:
    check_type(type_)
    value = type_.value
    require(value is not None, "a constant has a value")
    assert value is not None
    require(value.shape == type_.shape, f"its shape is {value.shape}, not {type_.shape}")
    require(value.dtype == type_.dtype, f"its dtype is {value.dtype}, not {type_.dtype}")
    if type_.spec is None:
        require(not np.isnan(value).any(), "a float constant is a number")
        return
    spec = type_.spec
    inside = spec.lo <= value.min() and value.max() <= spec.hi and in_steps(value, spec)
    require(bool(inside), f"its codes leave {spec}")


def in_steps(value: np.ndarray, spec: QuantSpec) -> bool:
    if spec.step == 2:  # at a tenth of what a remainder costs
        return bool((value & 1 == spec.lo & 1).all())
    return spec.step == 1 or not ((value.astype(np.int64) - spec.lo) % spec.step).any()
