"""Float ONNX models as torch modules: each node held to ONNX's own definition, and harm refused."""

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lowbit.int8 import ptq
from lowbit.interchange import InterchangeError, float_module
from lowbit.interchange.onnx_float_rules import RULES
from lowbit.ir import evaluate

IMAGE, ROWS = (2, 4, 6, 6), (2, 6)
RNG = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def model(*nodes, shape=IMAGE, constants=(), kind=onnx.TensorProto.FLOAT, opset=18) -> bytes:
    """`nodes` are (kind, operands, options); operands are names, and arrays that become constants.
    Each reads "x" or t0, t1, ..., what the nodes make."""
    made, stored = [], []
    for i, (op, operands, options) in enumerate(nodes):
        names = []
        for j, operand in enumerate(operands):
            if isinstance(operand, str):
                names.append(operand)
            else:
                names.append(f"c{i}_{j}")
                stored.append(numpy_helper.from_array(operand, names[-1]))
        made.append(helper.make_node(op, names, [f"t{i}"], f"node.{i}", **options))
    ends = helper.make_tensor_value_info("x", kind, ["N", *shape[1:]])
    last = helper.make_tensor_value_info(f"t{len(nodes) - 1}", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(made, "net", [ends], [last], [*stored, *constants])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


x = "x"
W = numbers(8, 4, 3, 3)
CASES = {
    "Conv": ((x, W, numbers(8)), {"pads": [1, 1, 1, 1]}, IMAGE),
    "Conv, uneven": ((x, W), {"pads": [0, 1, 2, 1], "strides": [2, 1]}, IMAGE),
    "Conv, depthwise": ((x, numbers(4, 1, 3, 3)), {"group": 4, "dilations": [2, 2]}, IMAGE),
    "ConvTranspose": (
        (x, numbers(4, 3, 2, 2), numbers(3)),
        {"strides": [2, 2], "output_padding": [1, 1]},
        IMAGE,
    ),
    "Gemm": ((x, numbers(5, 6), numbers(5)), {"transB": 1}, ROWS),
    "Gemm, as it lies": ((x, numbers(6, 5)), {}, ROWS),
    "MatMul": ((x, numbers(6, 5)), {}, ROWS),
    "BatchNormalization": (
        (x, numbers(4), numbers(4), numbers(4), abs(numbers(4)) + 1),
        {"epsilon": 1e-3},
        IMAGE,
    ),
    "MaxPool": ((x,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 0]}, IMAGE),
    "AveragePool": ((x,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, IMAGE),
    "GlobalAveragePool": ((x,), {}, IMAGE),
    "ReduceMean": ((x, whole(2, 3)), {"keepdims": 0}, IMAGE),
    "Relu": ((x,), {}, IMAGE),
    "Clip": ((x, np.float32(-0.5), np.float32(1)), {}, IMAGE),
    "Clip, above": ((x, "", np.float32(0.5)), {}, IMAGE),
    "LeakyRelu": ((x,), {"alpha": 0.3}, IMAGE),
    "PRelu": ((x, numbers(4, 1, 1)), {}, IMAGE),
    "Sigmoid": ((x,), {}, IMAGE),
    "Tanh": ((x,), {}, IMAGE),
    "HardSigmoid": ((x,), {}, IMAGE),
    "HardSigmoid, of a sixth": ((x,), {"alpha": 1 / 6, "beta": 0.5}, IMAGE),
    "HardSwish": ((x,), {}, IMAGE),
    "Softmax": ((x,), {"axis": 1}, ROWS),
    "Add": ((x, numbers(4, 1, 1)), {}, IMAGE),
    "Sub": ((numbers(1), x), {}, IMAGE),
    "Mul": ((x, x), {}, IMAGE),
    "Div": ((x, np.float32(3)), {}, IMAGE),
    "Flatten": ((x,), {}, IMAGE),
    "Reshape": ((x, whole(0, 2, -1)), {}, IMAGE),
    "Reshape, of a batch that is a number": ((x, whole(2, 144)), {}, IMAGE),
    "Squeeze": ((x, whole(2)), {}, (2, 4, 1, 6)),
    "Unsqueeze": ((x, whole(1, 3)), {}, ROWS),
    "Transpose": ((x,), {"perm": [0, 2, 3, 1]}, IMAGE),
    "Concat": ((x, x), {"axis": 2}, IMAGE),
    "Pad": ((x, whole(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0.5)), {}, IMAGE),
    "Resize": (
        (x, "", np.array([1, 1, 2, 3], np.float32)),
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        IMAGE,
    ),
    "Resize, interpolating": ((x, "", "", whole(2, 4, 12, 9)), {"mode": "linear"}, IMAGE),
    "Identity": ((x,), {}, IMAGE),
    "Dropout": ((x,), {}, IMAGE),
}


@pytest.mark.parametrize("name", CASES)
def test_a_node_is_what_onnx_says(name):
    operands, options, shape = CASES[name]
    data = model((name.split(",")[0], operands, options), shape=shape)
    given = numbers(*shape)
    (want,) = ReferenceEvaluator(onnx.load_from_string(data)).run(None, {"x": given})
    got = float_module(data)(torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_a_pool_with_different_ends(onnxruntime):
    """Whose size ONNX's own evaluator has otherwise than its standard."""
    data = model(("MaxPool", (x,), {"kernel_shape": [2, 2], "pads": [0, 1, 1, 1]}))
    given = numbers(*IMAGE)
    np.testing.assert_array_equal(
        float_module(data)(torch.from_numpy(given)).numpy(), onnxruntime(data, given)
    )


def test_every_rule_has_a_case():
    apart = {"Gelu", "Cast"}  # of a newer opset, and of bytes: below
    assert set(RULES) == {name.split(",")[0] for name in CASES} | apart


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate):
    data, given = model(("Gelu", (x,), {"approximate": approximate}), opset=20), numbers(*IMAGE)
    (want,) = ReferenceEvaluator(onnx.load_from_string(data)).run(None, {"x": given})
    got = float_module(data)(torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def network(kind=onnx.TensorProto.FLOAT) -> bytes:
    first = ("Cast", (x,), {"to": 1}), ("Div", ("t0", np.float32(255)), {})
    return model(
        *first,
        ("Conv", ("t1", W), {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ("t2", *(abs(numbers(8)) + 0.5 for _ in range(4))), {}),
        ("Relu", ("t3",), {}),
        ("GlobalAveragePool", ("t4",), {}),
        ("Reshape", ("t5", whole(-1, 8)), {}),
        ("Gemm", ("t6", numbers(5, 8)), {"transB": 1}),
        kind=kind,
    )


def test_bytes_through_a_whole_network_are_calibrated():
    module = float_module(network(onnx.TensorProto.UINT8))
    assert {k.partition(".")[0] for k in module.state_dict()} >= {"node_2", "node_3", "node_7"}
    batch = torch.randint(0, 256, (16, *IMAGE[1:]), dtype=torch.uint8)
    want, graph = module(batch).numpy(), ptq(module, [batch])
    assert "node_7" in {n.source for n in graph.nodes}
    got = evaluate(graph, batch.numpy())[0]
    assert 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum()) > 30


HOSTILE = {
    "an image larger than memory": (
        model(("Resize", (x, "", np.array([1, 1, 1e4, 1e4], np.float32)),
               {"coordinate_transformation_mode": "asymmetric"})),
        "Resize 'node.0': it makes more than",
    ),
    "padding without end": (model(("Pad", (x, whole(0, 0, 0, 2**60, 0, 0, 0, 0)), {})), "Pad"),
    "windows that do not fit": (
        model(("MaxPool", (x,), {"kernel_shape": [9, 9]})),
        "MaxPool 'node.0'",
    ),
    "weights of another depth": (model(("Conv", (x, numbers(8, 3, 3, 3)), {})), "Conv 'node.0'"),
    "no operands": (model(("Conv", (), {})), "not a sound ONNX model|Conv"),
    "a shape of another batch": (model(("Reshape", (x, whole(4, -1)), {})), "batch stays in front"),
    "a shape that holds less": (model(("Reshape", (x, whole(0, 5)), {})), "Reshape 'node.0'"),
    "a batch that moves": (model(("Transpose", (x,), {"perm": [1, 0, 2, 3]})), "the batch stays"),
    "a batch that is added to": (model(("Pad", (x, whole(1, *[0] * 7)), {})), "no batch is added"),
    "nobody's tensor": (model(("Relu", ("y",), {})), "'y' is never made"),
    "a loop": (model(("Scan", (x,), {})), "Scan 'node.0': it is not read"),
    "codes": (
        model(("QuantizeLinear", (x, np.float32(1), np.int8(0)), {})),
        "quantized already",
    ),
    "no model": (b"onnx", "not"),
    "nothing": (b"", "not|one input"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_read_is_named(case):
    data, message = HOSTILE[case]
    with pytest.raises(InterchangeError, match=message) as found:
        float_module(data)
    assert "\n" not in str(found.value)


def test_damaged_bytes_are_refused_or_read():
    good, rng = network(), np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        try:
            float_module(bytes(bad))
        except InterchangeError:
            continue
