"""What a network weighs: bits, parameters, packed bytes and multiply-accumulates, layer by layer.

The bytes are those of the exported graph's constants, so their total is the file's payload by
construction.
"""

import math
from dataclasses import asdict, astuple, dataclass, fields

from torch import Tensor, nn

from lowbit.exporter import export
from lowbit.ir import Graph, TensorType, ops, verify
from lowbit.pack import payload_bytes
from lowbit.tables import render

PRODUCTS = (ops.Conv, ops.Linear)


@dataclass
class Row:
    """One module. Bits are of weights and inputs, "float" or empty; MACs are for one sample."""

    module: str
    weight_bits: str = ""
    input_bits: str = ""
    parameters: int = 0
    bytes: int = 0
    binary_macs: int = 0
    low_bit_macs: int = 0
    float_macs: int = 0


@dataclass(frozen=True)
class Summary:
    rows: list[Row]
    notes: tuple[str, ...]

    @property
    def total(self) -> Row:
        sums = {
            f.name: sum(getattr(row, f.name) for row in self.rows)
            for f in fields(Row)
            if f.type is int
        }
        return Row("total", **sums)

    def to_dict(self) -> dict:
        return {"layers": [asdict(r) for r in self.rows], "total": asdict(self.total)}

    def __str__(self) -> str:
        headers = [f.name.replace("_", " ") for f in fields(Row)]
        body = render(headers, [astuple(r) for r in [*self.rows, self.total]])
        return "\n".join([body, *self.notes])


def summary(model: nn.Module, example: Tensor) -> Summary:
    """Exports `model` (in evaluation mode) and accounts for every byte of the result."""
    graph = export(model, example)
    rows = {name: Row(name or "(top)", parameters=own(m)) for name, m in model.named_modules()}
    account(graph, rows)
    return Summary([r for r in rows.values() if weighs(r)], graph.notes)


def own(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))


def weighs(row: Row) -> bool:
    return bool(row.parameters or row.bytes or row.weight_bits)


def account(graph: Graph, rows: dict[str, Row]) -> None:
    """Adds the graph's constants and products to the rows of the modules they came from."""
    types, counted = verify(graph), set[str]()
    for node in graph.nodes:
        row = rows.setdefault(node.source, Row(node.source or "(top)"))
        for name in set(node.inputs) & set(graph.constants) - counted:
            counted.add(name)
            row.bytes += payload_bytes(graph.constants[name])
        if isinstance(node.op, PRODUCTS):
            x, w = (types[name] for name in node.inputs)
            row.input_bits, row.weight_bits = bits(x), bits(w)
            kind = f"{kind_of(x, w)}_macs"
            setattr(row, kind, getattr(row, kind) + macs(types[node.output], w))


def bits(type_: TensorType) -> str:
    return "float" if type_.spec is None else str(type_.spec.bits)


def kind_of(x: TensorType, w: TensorType) -> str:
    if x.spec is None or w.spec is None:
        return "float"
    return "binary" if x.spec.bits == w.spec.bits == 1 else "low_bit"


def macs(out: TensorType, w: TensorType) -> int:
    """Products a sample: every output sums over the weights of its channel."""
    return math.prod(out.shape) * math.prod(w.shape[1:])
