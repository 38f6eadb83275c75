"""ONNX models read back, those that ONNX Runtime quantized, and those that mean harm."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx")
import onnx

from lowbit.int8 import ptq
from lowbit.interchange import InterchangeError, from_onnx, to_onnx
from lowbit.ir import Graph, ops
from lowbit.runtime import Network
from lowbit.spec import QuantSpec, narrow


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.ReLU()),
        *(nn.Conv2d(8, 16, 1), nn.Flatten(), nn.Linear(16 * 9, 10)),
    ).eval()


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("integer_only", [False, True])
def test_what_is_written_is_read_back(bits, integer_only):
    x = torch.randn(16, 1, 12, 12)
    graph = ptq(network(), [x], form="F", weight_bits=bits, integer_only=integer_only)
    again = from_onnx(to_onnx(graph))
    assert weight_specs(again) == weight_specs(graph) == {narrow(bits)}
    given = x.numpy()
    if integer_only:
        given = np.random.default_rng(0).integers(-128, 128, given.shape).astype(np.int8)
    np.testing.assert_array_equal(Network(again, 16)(given), Network(graph, 16)(given))


def weight_specs(graph: Graph) -> set[QuantSpec | None]:
    products = (n for n in graph.nodes if isinstance(n.op, ops.Conv | ops.Linear))
    return {graph.constants[n.inputs[1]].spec for n in products}


class Places(nn.Module):
    """What is moved, and activations that clamp in the midst of the codes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)
        self.c = nn.Linear(9, 9)

    def forward(self, x):
        x = self.c(x)
        y = nn.functional.interpolate(self.a(x), scale_factor=2)
        y = torch.cat([y, nn.functional.pad(self.b(y).relu(), (1, 1, 0, 2), value=1.0)], 2)
        return nn.functional.relu6(y[:, 1:, ::3])


def test_what_moves_codes_is_read_back(onnxruntime):
    torch.manual_seed(0)
    x = torch.randn(8, 1, 9, 9)
    graph = ptq(Places().eval(), [x], form="F", integer_only=True)
    given = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    again = from_onnx(to_onnx(graph))
    floats = [n for n in again.nodes if isinstance(n.op, ops.Relu | ops.Clamp | ops.Div)]
    assert not floats
    np.testing.assert_array_equal(onnxruntime(to_onnx(graph), given), Network(graph, 8)(given))
    np.testing.assert_array_equal(Network(again, 8)(given), Network(graph, 8)(given))


def float_model() -> bytes:
    """The network as a float ONNX model, node by node."""
    model, nodes, constants, name = network(), [], [], "x"
    for i, layer in enumerate(model):
        out, inputs, options = f"t{i}", [name], {}
        kind = type(layer).__name__
        if isinstance(layer, nn.Conv2d | nn.Linear):
            for role in ("weight", "bias"):
                value = getattr(layer, role).detach().numpy()
                constants.append(onnx.numpy_helper.from_array(value, f"{i}.{role}"))
                inputs.append(f"{i}.{role}")
        if isinstance(layer, nn.Conv2d):
            options = {"pads": [*layer.padding] * 2, "strides": layer.stride, "group": layer.groups}
        if isinstance(layer, nn.MaxPool2d):
            options = {"kernel_shape": [2, 2], "strides": [2, 2]}
        if isinstance(layer, nn.Linear):
            options = {"transB": 1}
        names = {"Conv2d": "Conv", "ReLU": "Relu", "MaxPool2d": "MaxPool", "Linear": "Gemm"}
        nodes.append(onnx.helper.make_node(names.get(kind, kind), inputs, [out], out, **options))
        name = out
    ends = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
        for n, s in (("x", ["N", 1, 12, 12]), (name, ["N", 10]))
    ]
    graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    return model.SerializeToString()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_models_that_onnx_runtime_quantized(onnxruntime, tmp_path, form, signed, per_channel):
    quantization = pytest.importorskip("onnxruntime.quantization")
    data = np.random.default_rng(0).normal(size=(32, 1, 12, 12)).astype(np.float32)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.rest = iter([{"x": data}])

        def get_next(self):
            return next(self.rest, None)

    (tmp_path / "float.onnx").write_bytes(float_model())
    kind = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8
    quantization.quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "int8.onnx",
        Reader(),
        quant_format=getattr(quantization.QuantFormat, form),
        per_channel=per_channel,
        activation_type=kind,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=True,
    )
    model = (tmp_path / "int8.onnx").read_bytes()
    graph = from_onnx(model)
    assert sum(isinstance(n.op, ops.RequantizeF) for n in graph.nodes) == 4
    np.testing.assert_array_equal(
        Network(graph, 32)(data), onnxruntime(model, data, saturating=True)
    )


def changed(change) -> bytes:
    x = torch.randn(4, 1, 12, 12)
    model = onnx.load_from_string(to_onnx(ptq(network(), [x], form="F")))
    change(model)
    return model.SerializeToString()


def first(model):
    return next(t for t in model.graph.initializer if t.name.endswith("weight.q"))


def huge(model):
    first(model).dims[0] = 2**40


def elsewhere(model):
    first(model).data_location = onnx.TensorProto.EXTERNAL
    first(model).external_data.add(key="location", value="/etc/passwd")


def strange(model):
    model.graph.node[0].op_type = "Loop"


def foreign(model):
    model.graph.node[0].domain = "somewhere.else"


def dangling(model):
    model.graph.node[0].input[0] = "nobody"


def cut(model):
    del model.graph.node[-1].input[:]


def far(model):
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    next(a for a in conv.attribute if a.name == "pads").ints[0] = 2**40


def endless(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**19


def negative(model):
    first(model).dims[0] = -8


def nan(model):
    scale = next(t for t in model.graph.initializer if t.name.endswith(".scale"))
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), scale.name))


HOSTILE = {
    huge: "does not hold",
    elsewhere: "another file",
    strange: "Loop",
    foreign: "domain",
    dangling: "one from the input",
    cut: r"operand|index|not a sound",
    far: "padding",
    endless: r"bytes a sample|elements",
    negative: "sides",
    nan: "not finite",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda f: f.__name__)
def test_hostile_models_are_refused(change):
    with pytest.raises(InterchangeError, match=HOSTILE[change]):
        from_onnx(changed(change))


def test_bytes_that_are_no_model_are_refused():
    good = changed(lambda model: None)
    rng = np.random.default_rng(0)
    for bad in (b"", b"onnx", good[: len(good) // 2], rng.bytes(200)):
        with pytest.raises(InterchangeError):
            from_onnx(bad)
    for _ in range(60):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        try:
            from_onnx(bytes(bad))
        except InterchangeError:
            continue
