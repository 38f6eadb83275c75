"""Pooling, and the windows that convolutions have as well."""

from dataclasses import replace

from lowbit.interchange.onnx_model import Step, demand
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Value
from lowbit.ir import ops


def window(step: Step, sides: int, kernel) -> tuple:
    """Stride, padding and dilation."""
    demand(step.options.get("auto_pad", b"NOTSET") == b"NOTSET", f"{step}: auto_pad is not read")
    demand(not step.options.get("ceil_mode"), f"{step}: ceil_mode is not read")
    ones = [1] * sides
    stride, dilation = (step.options.get(n, ones) for n in ("strides", "dilations"))
    pads = step.options.get("pads", [0] * (2 * sides))
    lengths = (len(stride), len(dilation), len(pads), len(kernel))
    demand(lengths == (sides, sides, 2 * sides, sides), f"{step}: one stride and padding a side")
    return tuple(stride), tuple(zip(pads[:sides], pads[sides:], strict=True)), tuple(dilation)


@rule("MaxPool")
def max_pool(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.value(step, 0))
    kernel = tuple(step.options["kernel_shape"])
    stride, pads, dilation = window(step, len(x.axes) - 1, kernel)
    op = ops.MaxPool(kernel, stride, pads, dilation)
    return replace(reader.emit(op, replace(x, worth=None), axes=x.axes), worth=x.worth)


@rule("AveragePool")
def average_pool(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.real(reader.value(step, 0)))
    kernel = tuple(step.options["kernel_shape"])
    stride, pads, _ = window(step, len(x.axes) - 1, kernel)
    include = int(bool(step.options.get("count_include_pad", 0)))
    return reader.emit(ops.AvgPool(kernel, stride, pads, include), x, axes=x.axes)


@rule("GlobalAveragePool")
def global_average(reader: Reader, step: Step) -> Value:
    x = reader.image(reader.real(reader.value(step, 0)))
    made = reader.emit(ops.Mean(), x, axes=(0,))
    shape = (*[1] * (len(x.axes) - 1), reader.types[made.name].shape[0])
    return reader.emit(ops.Reshape(shape), made, axes=x.axes)
