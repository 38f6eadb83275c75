"""What writers of ONNX share: nodes, constants, and where each axis of a tensor has gone.

ONNX holds images channels first, the graph channels last.
"""

from typing import Any

import numpy as np

from lowbit.ir import Graph, verify

try:
    import onnx
    from onnx import TensorProto, helper
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'ONNX models need {missing.name}: pip install "lowbit[interop]"', name=missing.name
    ) from None

Order = tuple[int, ...]

__all__ = ["Order", "Sheet", "TensorProto", "geometry", "helper", "onnx"]


class Sheet:
    """`order[name]` says which axis of the ONNX tensor, the batch not counted, each of the
    graph's axes is."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.types = graph, verify(graph)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.order: dict[str, Order] = {}
        self.written: set[str] = set()

    def constant(self, name: str, value: np.ndarray, kind: int | None = None) -> str:
        if kind is not None:
            value = value.astype(helper.tensor_dtype_to_np_dtype(kind))
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
        tensor.dims[:] = value.shape
        self.initializers[name] = tensor
        return name

    def emit(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.written.add(output)
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def arranged(self, name: str, order: Order, output: str = "") -> str:
        """The tensor with its axes in another order, or as it is."""
        found = self.order[name]
        if found == order and not output:
            return name
        permutation = [0] * len(order)
        for have, want in zip(found, order, strict=True):
            permutation[want] = have + 1
        if found == order:
            return self.emit("Identity", [name], output)
        output = output or f"{name}.{''.join(map(str, order))}"
        if output in self.written:
            return output
        return self.emit("Transpose", [name], output, perm=[0, *permutation])

    def natural(self, name: str) -> str:
        return self.arranged(name, tuple(range(len(self.types[name].shape))))

    def image(self, name: str) -> tuple[str, Order]:
        """Channels first."""
        order = (*range(1, len(self.types[name].shape)), 0)
        return self.arranged(name, order), order

    def finished(self, inputs, outputs, opsets: dict[str, int], check: bool = True) -> bytes:
        constants = list(self.initializers.values())
        main = helper.make_graph(self.nodes, "lowbit", inputs, outputs, constants)
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        version = helper.find_min_ir_version_for([i for i in imports if not i.domain])
        model = helper.make_model(
            main, opset_imports=imports, ir_version=version, producer_name="lowbit"
        )
        if check:
            onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def geometry(stride, padding, kernel) -> dict[str, object]:
    before, after = zip(*padding, strict=True)
    return {"strides": stride, "pads": (*before, *after), "kernel_shape": tuple(kernel)}
