"""A small graph with every kind of field, and files whose hash is right whatever they say."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from lowbit import pack
from lowbit.ir import OPS, Graph, Node, TensorType, ops
from lowbit.pack import container
from lowbit.spec import BINARY, TERNARY, Codes, Parameters, QuantSpec, unsigned

Forge = Callable[..., bytes]


def constant(values, spec: QuantSpec | None) -> TensorType:
    array = np.array(values)
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


def small_graph() -> Graph:
    rng = np.random.default_rng(0)
    stem, head = rng.choice([-1, 1], (5, 3, 3, 1)), rng.choice([-1, 0, 1], (3, 45))
    return Graph(
        inputs={"image": TensorType((6, 6, 1), unsigned(8))},
        constants={
            "stem": constant(stem, BINARY),
            "thresholds": constant(rng.integers(-300, 300, (5, 1)), QuantSpec(-3000, 3000)),
            "falling": constant([0, 1, 0, 1, 1], unsigned(1)),
            "head": constant(head, TERNARY),
            "scale": constant([0.5, -0.25, 3.0], None),
        },
        nodes=(
            Node(ops.Conv((1, 1), ((1, 1), (1, 1)), (1, 1)), ("image", "stem"), "sums", "stem.0"),
            Node(ops.Threshold(-1, 1, 2), ("sums", "thresholds", "falling"), "codes", "stem.1"),
            Node(ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), ("codes",), "pooled"),
            Node(ops.Reshape((45,)), ("pooled",), "flat"),
            Node(ops.Linear(), ("flat", "head"), "votes", "head"),
            Node(ops.Mul(), ("votes", "scale"), "scaled"),
            Node(ops.Clamp(-8.0, 8.0), ("scaled",), "logits"),
        ),
        outputs=("logits",),
        notes=("head: a remark",),
    )


def graph_of_every_op() -> Graph:
    """Each operator once, each in reach of a few changed numbers."""
    floats, codes = TensorType((4, 4, 2)), TensorType((4, 4, 2), TERNARY)
    window = ((2, 2), (2, 2), ((0, 0), (0, 0)))
    nodes = (
        Node(ops.Add(), ("x", "per_channel"), "add"),
        Node(ops.Sub(), ("add", "x"), "sub"),
        Node(ops.Mul(), ("sub", "codes"), "mul"),
        Node(ops.Div(), ("mul", "per_channel"), "div"),
        Node(ops.Relu(), ("div",), "relu"),
        Node(ops.Clamp(-1.0, 1.0), ("relu",), "clamp"),
        Node(ops.PRelu(), ("clamp", "per_channel"), "prelu"),
        Node(ops.AvgPool(*window), ("prelu",), "avg_pool"),
        Node(ops.Mean(), ("avg_pool",), "mean"),
        Node(ops.MaxPool(*window, (1, 1)), ("codes",), "max_pool"),
        Node(ops.Lookup(-1), ("max_pool", "table"), "lookup"),
        Node(ops.Concat(2), ("lookup", "max_pool"), "concat"),
        Node(ops.Transpose((2, 0, 1)), ("concat",), "transpose"),
        Node(ops.Reshape((16,)), ("transpose",), "reshape"),
        Node(ops.Linear(), ("reshape", "matrix"), "linear"),
        Node(ops.Threshold(-1, 1, 1), ("linear", "thresholds", "falling"), "threshold"),
        Node(ops.Conv((1, 1), ((0, 1), (1, 0)), (1, 1)), ("codes", "kernel"), "conv"),
        *eight_bit_nodes(),
        *attention_nodes(),
    )
    assert {type(node.op) for node in nodes} == set(OPS.values())
    constants = {
        "per_channel": constant([0.5, -2.0], None),
        "table": constant([[1, 0, 5]], unsigned(3)),
        "matrix": constant(np.eye(3, 16), TERNARY),
        "thresholds": constant([[-1, 2]], QuantSpec(-9, 9)),
        "falling": constant([0], unsigned(1)),
        "limit": constant([[0.5]], None),
        "rows": constant(np.ones((2, 3)), None),
        "kernel": constant(np.ones((1, 2, 2, 2)), BINARY),
        "bias": constant([3], QuantSpec(-9, 9)),
        "weight_scale": constant([0.25], None),
    }
    outputs = ("mean", "threshold", "conv", "requantize_f", "matmul", "embed", "resize")
    return Graph({"x": floats, "codes": codes}, constants, nodes, outputs)


def attention_nodes() -> tuple[Node, ...]:
    return (
        Node(ops.Abs(), ("x",), "abs"),
        Node(ops.Sqrt(), ("abs",), "sqrt"),
        Node(ops.Exp(), ("sqrt",), "exp"),
        Node(ops.Sigmoid(), ("exp",), "sigmoid"),
        Node(ops.Max(1), ("sigmoid",), "max"),
        Node(ops.Sum(2), ("sigmoid",), "sum"),
        Node(ops.Sub(), ("max", "sum"), "less"),
        Node(ops.Add(), ("less", "x"), "more"),
        Node(ops.Slice(1, 0, 3, 2), ("codes",), "slice"),
        Node(ops.MatMul((1, 0)), ("codes", "slice"), "matmul"),
        Node(ops.Pad(((0, 0), (0, 1)), -1), ("slice",), "padded"),
        Node(ops.Spread((1, 3), 0), ("padded",), "spread"),
        Node(ops.ResizeNearest((8, 2)), ("spread",), "resize"),
        Node(ops.Threshold(0, 1, 1), ("more", "limit", "falling"), "index"),
        Node(ops.Embed(), ("index", "rows"), "embed"),
    )


def eight_bit_nodes() -> tuple[Node, ...]:
    codes, half = Codes(0.5, 0), Parameters(0.5, 0)
    window = ((2, 2), (2, 2), ((0, 0), (0, 0)))
    return (
        Node(ops.RequantizeD(1.0, codes), ("conv", "bias", "weight_scale"), "requantize_d"),
        Node(ops.QuantizeD(codes), ("relu",), "quantize_d"),
        Node(ops.QuantizeF(codes), ("add",), "quantize_f"),
        Node(ops.AddD(half, half, 1, codes), ("quantize_d", "quantize_f"), "add_d"),
        Node(ops.AddF(half, half, -1, codes), ("add_d", "requantize_d"), "add_f"),
        Node(ops.MeanCodes(*window), ("add_f",), "mean_codes"),
        Node(ops.MulCodes((0, 1)), ("mean_codes", "max_pool"), "mul_codes"),
        Node(ops.Byte(1), ("add_f",), "byte"),
        Node(
            ops.RequantizeWide(1.0, codes),
            ("conv", "conv", "bias", "weight_scale"),
            "requantize_wide",
        ),
        Node(ops.SoftmaxD(0.5), ("add_f",), "softmax_d"),
        Node(ops.SoftmaxF(0.5), ("softmax_d",), "softmax_f"),
        Node(ops.RequantizeF(1.0, codes), ("mul_codes", "bias", "weight_scale"), "requantize_f"),
    )


@pytest.fixture(scope="session")
def every_op() -> bytes:
    return pack.serialize(graph_of_every_op())


@pytest.fixture
def graph() -> Graph:
    return small_graph()


@pytest.fixture(scope="session")
def data() -> bytes:
    """The small graph's file."""
    return pack.serialize(small_graph())


@pytest.fixture
def forge(data: bytes) -> Forge:
    """forge(change): a file after `change(description, tensors)`, its hash made right again.

    The change may also return the JSON text itself.
    """

    def forged(change: Callable[[dict, dict], str | None], source: bytes = data) -> bytes:
        text, tensors = container.split(source)
        description = json.loads(text)
        return container.join(change(description, tensors) or json.dumps(description), tensors)

    return forged


@pytest.fixture
def rewrite(data: bytes) -> Forge:
    """rewrite(change): the file with `change` applied to the raw text of its header."""

    def rewritten(change: Callable[[str], str]) -> bytes:
        length = int.from_bytes(data[:8], "little")
        header = change(data[8 : 8 + length].decode()).encode()
        return len(header).to_bytes(8, "little") + header + data[8 + length :]

    return rewritten
