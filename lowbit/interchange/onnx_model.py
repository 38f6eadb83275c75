"""An ONNX file as nodes and constants, distrusted: sizes are compared before anything is made."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowbit.interchange.errors import InterchangeError

try:
    import onnx
    from google.protobuf.message import DecodeError
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'ONNX models need {missing.name}: pip install "lowbit[interop]"', name=missing.name
    ) from None

LARGEST_FILE = 2**31
MAX_NODES = 10_000
MAX_RANK = 8
BITS: dict[int, int] = {
    onnx.TensorProto.FLOAT: 32,
    onnx.TensorProto.INT32: 32,
    onnx.TensorProto.INT64: 64,
    onnx.TensorProto.INT8: 8,
    onnx.TensorProto.UINT8: 8,
    onnx.TensorProto.BOOL: 8,
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.INT2: 2,
    onnx.TensorProto.UINT2: 2,
}
FIELDS = ("float_data", "int32_data", "int64_data")  # what a tensor may hold besides raw bytes


@dataclass(frozen=True)
class Place:
    """An input: its type and its sides without the batch."""

    name: str
    kind: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, Any]
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r:.80}"


@dataclass(frozen=True)
class Model:
    inputs: tuple[Place, ...]
    constants: dict[str, np.ndarray]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


def demand(condition: bool, rule: str) -> None:
    if not condition:
        raise InterchangeError(rule)


def guarded(read: Callable, what: str, *arguments: Any) -> Any:
    """Whatever a parser raises on bytes that are no model is an InterchangeError."""
    try:
        return read(*arguments)
    except InterchangeError:
        raise
    except (DecodeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InterchangeError(f"{what}: {reason or type(error).__name__}") from None


def parse(data: bytes) -> Model:
    demand(len(data) <= LARGEST_FILE, f"an ONNX file has at most {LARGEST_FILE} bytes")
    model = guarded(onnx.load_model_from_string, "not an ONNX model", data)
    return guarded(model_of, "not a sound ONNX model", model)


def model_of(model: onnx.ModelProto) -> Model:
    graph = model.graph
    demand(not model.functions, "functions of a model's own are not read")
    demand(len(graph.node) <= MAX_NODES, f"at most {MAX_NODES} nodes")
    demand(not graph.sparse_initializer, "sparse initializers are not read")
    constants = {tensor.name: array(tensor) for tensor in graph.initializer}
    steps = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = constant(node)
        else:
            steps.append(step(node))
    inputs = tuple(place(i) for i in graph.input if i.name not in constants)
    return Model(inputs, constants, tuple(steps), tuple(o.name for o in graph.output))


ONE_FILE = "only models in one file are read, as torch.onnx.export writes with external_data=False"


def array(tensor: onnx.TensorProto) -> np.ndarray:
    """In its own type, or int16 for fewer than 8 bits. The bytes are there before it is made."""
    name, dims = tensor.name[:80], list(tensor.dims)
    outside = tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
    demand(not outside, f"{name!r} lies in another file: {ONE_FILE}")
    demand(tensor.data_type in BITS, f"{name!r} is of a type that is not read")
    demand(len(dims) <= MAX_RANK and all(d >= 0 for d in dims), f"{name!r} has sides {dims[:9]}")
    count = math.prod(dims)
    bits = BITS[tensor.data_type]
    held = max(len(getattr(tensor, field)) for field in FIELDS)
    per_item = max(1, 8 // bits) if held and bits < 8 else 1  # small integers share an int32
    enough = (
        held == -(-count // per_item) if held else len(tensor.raw_data) == -(-count * bits // 8)
    )
    demand(enough, f"{name!r} does not hold the {count} values that its sides say")
    value = np.asarray(onnx.numpy_helper.to_array(tensor))
    if tensor.data_type == onnx.TensorProto.FLOAT:
        demand(bool(np.isfinite(value).all()), f"{name!r} has values that are not finite")
        return value
    return value.astype(np.int16) if bits < 8 else value


def constant(node: onnx.NodeProto) -> np.ndarray:
    for attribute in node.attribute:
        if attribute.name == "value":
            return array(attribute.t)
    raise InterchangeError(f"Constant {node.name!r:.80}: only whole tensors are read")


def step(node: onnx.NodeProto) -> Step:
    demand(
        node.domain in ("", "ai.onnx", "com.microsoft"), f"domain {node.domain!r:.80} is not read"
    )
    for attribute in node.attribute:
        demand(
            attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS),
            f"{node.op_type!r:.80}: graphs inside of nodes are not read",
        )
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    name = node.name or (node.output[0] if node.output else "")
    return Step(node.op_type, tuple(node.input), tuple(node.output), options, name)


def place(value: onnx.ValueInfoProto) -> Place:
    tensor = value.type.tensor_type
    sides = [d.dim_value for d in tensor.shape.dim]
    demand(2 <= len(sides) <= MAX_RANK, f"input {value.name!r:.80} has a batch and sides")
    fixed = all(0 < side < 2**20 for side in sides[1:])
    demand(fixed, f"input {value.name!r:.80}: all sides but the batch's are numbers: {sides}")
    return Place(value.name, tensor.elem_type, tuple(sides[1:]))


def behind_batch(step: Step, sides: Sequence[int], total: int) -> tuple[int, ...]:
    """What a sample of `total` elements is reshaped to. A batch in numbers is the model's own:
    the others are then known, and any batch will do."""
    rest = sides[1:]
    in_front = sides and (sides[0] in (-1, 0, 1) or -1 not in rest)
    demand(bool(in_front), f"{step}: the batch stays in front")
    demand(rest.count(-1) <= 1 and all(s > 0 or s == -1 for s in rest), f"{step}: sides {rest}")
    known = math.prod(s for s in rest if s > 0)
    fits = total % known == 0 and (-1 in rest or known == total)
    demand(fits, f"{step}: {rest} holds the {total} of its operand")
    return tuple(total // known if s == -1 else s for s in rest)
