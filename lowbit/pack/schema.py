"""What the JSON of a graph may say, field by field. Every function here distrusts its input."""

import dataclasses
import functools
import math
import typing

import numpy as np

from lowbit.ir import OPS, Node, TensorType
from lowbit.pack.container import MAX_RANK, FormatError, demand
from lowbit.spec import Codes, Parameters, QuantSpec

FORMAT = 1
LARGEST = 2**31
NAMED: tuple[type, ...] = (Parameters, Codes)  # what attributes may be besides numbers
LONGEST = 4096  # characters of a name or a note
LARGEST_FLOAT = float(np.finfo(np.float32).max)


@functools.cache
def attribute_types(op: type) -> tuple[tuple[str, object], ...]:
    """An operator's attributes and their types: numbers, tuples of int, or of NAMED."""
    hints = typing.get_type_hints(op)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(op))


def items(value: object, what: str, count: int | None = None) -> list:
    if not isinstance(value, list) or count not in (None, len(value)):
        raise FormatError(f"{what} is a list" + (f" of {count}" if count else ""))
    return value


def strings(value: object, what: str) -> tuple[str, ...]:
    """Printable, so that no name reaches a terminal as a control sequence."""
    texts = items(value, what)
    legible = all(isinstance(t, str) and len(t) <= LONGEST and t.isprintable() for t in texts)
    demand(legible, f"{what} is a list of printable text")
    return tuple(texts)


def integers(value: object, what: str) -> tuple[int, ...]:
    numbers = items(value, what)
    short = len(numbers) <= MAX_RANK and all(type(n) is int and abs(n) <= LARGEST for n in numbers)
    demand(short, f"{what} is a short list of integers")
    return tuple(numbers)


def tensor_type(entry: object) -> tuple[str, TensorType]:
    name, shape, spec = items(entry, "a tensor's name, shape and alphabet", 3)
    (name,) = strings([name], "a tensor's name")
    sides = integers(shape, f"the shape of {name!r:.80}")
    demand(all(side >= 1 for side in sides), f"sides of {name!r:.80} are positive")
    return name, TensorType(sides, None if spec is None else alphabet(spec, name))


def alphabet(value: object, name: str) -> QuantSpec:
    what = f"the alphabet of {name!r:.80}"
    lo, hi, step = integers(items(value, what, 3), what)
    demand(lo <= hi and step >= 1 and (hi - lo) % step == 0, f"{what} is lo, lo + step, ..., hi")
    return QuantSpec(lo, hi, step)


def node(entry: object) -> Node:
    op, values, operands, output, source = items(entry, "a node", 5)
    op, output, source = strings([op, output, source], "a node's names")
    demand(op in OPS, f"no operator {op!r:.80}: the file is of a newer lowbit, or altered")
    kinds = attribute_types(OPS[op])
    names = sorted(name for name, _ in kinds)
    if not isinstance(values, dict) or sorted(values) != names:
        raise FormatError(
            f"{op} has the attributes {names} and no others: the file is of "
            "another version of lowbit (export the network again), or altered"
        )
    checked = {name: attribute(values[name], kind, f"{op}.{name}") for name, kind in kinds}
    return Node(OPS[op](**checked), strings(operands, "operands"), output, source)


def attribute(value: object, kind: object, where: str) -> object:
    """A value of exactly the kind that the operator declares."""
    if kind is int:
        return integers([value], where)[0]
    if kind is float:
        return number(value, where)
    if kind == tuple[int, ...]:
        return integers(value, where)
    for named in NAMED:
        if kind is named:
            kinds = typing.get_type_hints(named).values()
            entries = items(value, where, len(kinds))
            return named(*(attribute(v, k, where) for v, k in zip(entries, kinds, strict=True)))
    pairs = items(value, where)
    demand(len(pairs) <= MAX_RANK, f"{where} is a short list")
    return tuple(integers(items(pair, where, 2), where) for pair in pairs)


def number(value: object, where: str) -> float:
    if not isinstance(value, float) or not abs(value) <= LARGEST_FLOAT or math.isnan(value):
        raise FormatError(f"{where} is a finite float32 number")
    return value
