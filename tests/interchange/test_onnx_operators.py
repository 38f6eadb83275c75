"""The integer-typed node tests of the installed onnx package, through our operators."""

import importlib
import warnings

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx.backend.test.case import node as suite

from lowbit.interchange import onnx_operators as ours

FAMILIES = (
    *("quantizelinear", "dequantizelinear", "dynamicquantizelinear"),
    *("qlinearconv", "qlinearmatmul", "convinteger", "matmulinteger"),
)
ENDS = {
    **{f"INT{b}": (-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in (2, 4, 8, 16)},
    **{f"UINT{b}": (0, 2**b - 1) for b in (2, 4, 8, 16)},
}


def collected() -> dict[str, object]:
    """Importing a family runs it; the whole suite would take half a minute."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for family in FAMILIES:
            importlib.import_module(f"{suite.__name__}.{family}")
    return {c.name: c for c in suite._NodeTestCases if "expanded" not in c.name and integers(c)}


def integers(case) -> bool:
    used = {case.model.graph.node[0].op_type.lower()}
    ends = (*case.model.graph.input, *case.model.graph.output)
    return bool(used & set(FAMILIES)) and not any(
        "FLOAT8" in k or "E2M1" in k for k in map(kind, ends)
    )


def kind(place) -> str:
    return onnx.TensorProto.DataType.Name(place.type.tensor_type.elem_type)


def array(value) -> np.ndarray:
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    value = np.asarray(value)
    return value.astype(np.int64) if value.dtype.kind not in "f" else value.astype(np.float32)


def quantizelinear(case, values, options):
    ends = ENDS[kind(case.model.graph.output[0])]
    x, scale, zero = (*values, np.zeros(1, np.int64))[:3]
    axis, block = options.get("axis", 1), options.get("block_size", 0)
    return [ours.quantize_linear(x, scale, zero, ends, axis, block)]


def dequantizelinear(case, values, options):
    q, scale, zero = (*values, np.zeros(1, np.int64))[:3]
    return [
        ours.dequantize_linear(q, scale, zero, options.get("axis", 1), options.get("block_size", 0))
    ]


def dynamicquantizelinear(case, values, options):
    return ours.dynamic_quantize_linear(*values)


def window(options):
    pads = options.get("pads", [0] * 4)
    return {"padding": ((pads[0], pads[2]), (pads[1], pads[3]))}


def convinteger(case, values, options):
    return [ours.conv_integer(*values, **window(options))]


def matmulinteger(case, values, options):
    a, b, *zeros = values
    return [ours.matmul_integer(a, b, *(z.item() for z in zeros))]


def qlinearconv(case, values, options):
    ends = ENDS[kind(case.model.graph.output[0])]
    return [ours.qlinear_conv(*values, ends=ends, **window(options))]


def qlinearmatmul(case, values, options):
    return [ours.qlinear_matmul(*values, ends=ENDS[kind(case.model.graph.output[0])])]


CASES = collected()


def test_every_family_is_there():
    assert {c.model.graph.node[0].op_type.lower() for c in CASES.values()} == set(FAMILIES)
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", sorted(CASES))
def test_node(name):
    case = CASES[name]
    node = case.model.graph.node[0]
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    ((given, wanted),) = case.data_sets
    run = globals()[node.op_type.lower()]
    for got, want in zip(run(case, [array(v) for v in given], options), wanted, strict=True):
        np.testing.assert_array_equal(array(got), array(want))
