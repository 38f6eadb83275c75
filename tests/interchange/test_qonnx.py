"""Low-bit networks written as QONNX: qonnx's own executor gives our logits, bit for bit."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx")
import lowbit
import lowbit.nn as lnn
from lowbit.interchange import InterchangeError, to_qonnx
from lowbit.runtime import Network


def executed(model: bytes, x: np.ndarray, tmp_path) -> np.ndarray:
    pytest.importorskip("qonnx")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    (tmp_path / "net.onnx").write_bytes(model)
    wrapped = ModelWrapper(str(tmp_path / "net.onnx")).transform(InferShapes())
    (place,) = wrapped.graph.input
    (end,) = wrapped.graph.output
    return execute_onnx(wrapped, {place.name: x.astype(np.float32)})[end.name]


def network(weight: str, input: str, pad_value: int = 0) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        lnn.Conv2d(1, 6, 3, padding=1, weight=weight, input="image8"),
        *(lnn.BatchNorm2d(6), nn.MaxPool2d(2)),
        lnn.Conv2d(6, 8, 3, padding=1, weight=weight, input=input, pad_value=pad_value),
        *(lnn.BatchNorm2d(8), nn.PReLU(8), nn.Flatten()),
        lnn.Linear(8 * 16, 10, weight=weight, input=input),
    )
    for norm in (model[1], model[4]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    model.train()(torch.rand(8, 1, 8, 8))
    return model.eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("weight", "input", "pad_value"),
    [
        ("ste_sign", "ste_sign", 0),
        ("ste_sign", "ste_sign", -1),
        ("twn", "dorefa:2", 0),
        ("dorefa:4", "dorefa:3", 0),
    ],
)
def test_qonnx_agrees_to_the_bit(tmp_path, weight, input, pad_value):
    model = network(weight, input, pad_value)
    x = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    graph = lowbit.export(model, x)
    got = executed(to_qonnx(graph, batch=4), x.numpy(), tmp_path)
    np.testing.assert_array_equal(got, Network(graph, 4)(x.numpy()))


def test_what_qonnx_lacks_is_named():
    model = nn.Sequential(lnn.Linear(4, 4, weight="ste_sign"), lnn.Sigmoid()).eval()
    with pytest.raises(InterchangeError, match=r"Sigmoid.*no operator"):
        to_qonnx(lowbit.export(model, torch.randn(2, 4)))
