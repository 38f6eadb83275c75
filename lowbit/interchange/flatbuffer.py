"""A TensorFlow Lite model put together by hand, with the schema that ai-edge-litert ships."""

from typing import Any

import numpy as np

from lowbit.interchange.errors import InterchangeError

try:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'TensorFlow Lite models need {missing.name}: pip install "lowbit[interop]"',
        name=missing.name,
    ) from None

TYPES = {"float32": "FLOAT32", "int8": "INT8", "uint8": "UINT8"}
TYPES |= {f"int{bits}": f"INT{bits}" for bits in (16, 32, 64)}


class Model:
    """Tensors and operators in order. Buffer 0 is empty by convention."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[int, int] = {}

    def tensor(self, name: str, shape, dtype, data=None, scales=None, zero_point: int = 0) -> int:
        """Its index. `scales` is a number, or one for each entry of axis 0 or, of four sides, 3."""
        t = schema.TensorT()
        t.name, t.shape, t.buffer = name, [int(s) for s in shape], 0
        if str(dtype) not in TYPES:
            raise InterchangeError(f"{name}: TensorFlow Lite has no {dtype} here")
        t.type = getattr(schema.TensorType, TYPES[str(dtype)])
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data, dtype).tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if scales is not None:
            t.quantization = quantization(np.atleast_1d(scales), zero_point, t.shape)
        self.tensors.append(t)
        return len(self.tensors) - 1

    def operator(self, name: str, inputs, outputs, **options: object) -> None:
        """`name` as in BuiltinOperator; options as fields of its options table."""
        code = getattr(schema.BuiltinOperator, name)
        op = schema.OperatorT()
        op.opcodeIndex = self.codes.setdefault(code, len(self.codes))
        op.inputs, op.outputs = [int(i) for i in inputs], [int(i) for i in outputs]
        table = OPTIONS.get(name)
        if table:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            op.builtinOptions = getattr(schema, f"{table}T")()
            for field, value in options.items():
                setattr(op.builtinOptions, field, value)
        self.operators.append(op)

    def finish(self, inputs, outputs) -> bytes:
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [list(map(int, ends)) for ends in (inputs, outputs)]
        model.version, model.description = 3, "lowbit"
        model.buffers, model.subgraphs = self.buffers, [graph]
        model.operatorCodes = [operator_code(code) for code in self.codes]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def operator_code(code: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
    return entry


def quantization(scales: np.ndarray, zero_point: int, shape: list[int]) -> Any:
    q = schema.QuantizationParametersT()
    q.scale, q.zeroPoint = scales.astype(np.float32), np.full(len(scales), zero_point, np.int64)
    of_first = len(scales) == 1 or len(scales) == shape[0]
    q.quantizedDimension = 0 if of_first else len(shape) - 1
    return q


OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CAST": "CastOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MUL": "MulOptions",
    "PADV2": "PadV2Options",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SOFTMAX": "SoftmaxOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "TRANSPOSE": "TransposeOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
}
