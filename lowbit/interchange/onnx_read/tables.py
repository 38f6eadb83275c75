"""Tables of codes: Gather(table, Sub(Cast(codes), first code))."""

from dataclasses import replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_model import Step, demand, onnx
from lowbit.interchange.onnx_read.reader import CODES, Reader, rule
from lowbit.interchange.onnx_read.values import Index, Value
from lowbit.ir import ops
from lowbit.spec import QuantSpec

WIDE = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


@rule("Cast")
def cast(reader: Reader, step: Step) -> Index:
    value, kind = reader.value(step, 0), step.options.get("to")
    codes = value.worth is None and reader.types[value.name].spec is not None
    demand(kind in WIDE and codes, f"{step}: only codes are cast, to the index of a table")
    return Index(value, 0)


@rule("Gather")
def gather(reader: Reader, step: Step) -> Value:
    table = reader.array(step, 0)
    found = reader.known.get(step.inputs[1]) if len(step.inputs) > 1 else None
    if not isinstance(found, Index):
        raise InterchangeError(f"{step}: only tables of codes are read, at codes")
    demand(table.ndim == 1 and step.options.get("axis", 0) == 0, f"{step}: a table is one row")
    demand(table.dtype in CODES, f"{step}: a table has int8 or uint8 codes")
    spec = reader.types[found.value.name].spec
    assert spec is not None
    whole = found.start == spec.lo and len(table) == spec.hi - spec.lo + 1
    demand(whole, f"{step}: a table has an entry for each of {spec}")
    row = reader.constant(table[None].astype(np.int64), QuantSpec(*CODES[table.dtype]))
    value = replace(found.value, worth=None)
    return reader.emit(ops.Lookup(found.start), value, row, axes=value.axes)
