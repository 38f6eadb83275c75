"""Products of codes with weights, and of codes with codes."""

from dataclasses import replace

import numpy as np

from lowbit.interchange.errors import InterchangeError
from lowbit.interchange.onnx_model import Step, demand
from lowbit.interchange.onnx_read.pools import window
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Known, Sums, Value, Weights
from lowbit.ir import Op, ops
from lowbit.spec import Parameters, QuantSpec, narrow, signed

# Of 2 to 8 bits, without and with a least code that has no opposite.
SIGNED = [s for bits in range(2, 9) for s in (narrow(bits), signed(bits))]


def weights(reader: Reader, step: Step, place: int) -> Weights:
    found = reader.known.get(step.inputs[place])
    if isinstance(found, np.ndarray):
        raise InterchangeError(f"{step}: its weights are floats: only quantized ones are read")
    if not isinstance(found, Weights):
        raise InterchangeError(f"{step}: its weights depend on the input")
    return found


def codes_of(reader: Reader, step: Step, place: int) -> Value:
    value = reader.value(step, place)
    demand(value.worth is not None, f"{step}: it multiplies floats: only codes are read")
    return value


def product(
    reader: Reader,
    step: Step,
    op: Op,
    value: Value,
    w: Weights,
    bias: np.ndarray,
    worth: Parameters,
) -> Sums:
    """`w` with its outputs first and its depth last; `bias` in real numbers or, int32, in sums."""
    scales = np.atleast_1d(w.scales).astype(np.float32)
    demand(len(scales) in (1, len(w.codes)), f"{step}: weights have a scale an output")
    y = reader.emit(
        op, replace(value, worth=None), reader.constant(w.codes, alphabet(w.codes)), axes=value.axes
    )
    if bias.dtype.kind == "f":
        bias = np.rint(bias / (np.float64(worth.scale) * scales))
    offset = worth.zero_point * w.codes.reshape(len(w.codes), -1).sum(1)
    return Sums(y, worth.scale, scales, np.rint(bias).astype(np.int64) - offset)


def alphabet(codes: np.ndarray) -> QuantSpec:
    """The fewest bits that hold the codes, whatever type they come in."""
    found = QuantSpec(int(codes.min()), int(codes.max()))
    fitting = (s for s in SIGNED if s.lo <= found.lo and found.hi <= s.hi)
    return next(fitting, found)


def bias_of(reader: Reader, step: Step, place: int, outs: int) -> np.ndarray:
    """A dequantized bias gives its codes, which are sums."""
    if place >= len(step.inputs) or not step.inputs[place]:
        return np.zeros(outs, np.int64)
    found = reader.known.get(step.inputs[place])
    bias = found.codes if isinstance(found, Weights) else reader.array(step, place)
    demand(bias.shape == (outs,), f"{step}: a bias an output")
    return bias


def convolved(reader: Reader, step: Step, x: Value, worth: Parameters, w: Weights, bias) -> Sums:
    sides = w.codes.ndim - 2
    demand(sides in (1, 2) and len(x.axes) == sides + 1, f"{step}: it convolves over 1 or 2 sides")
    stride, pads, dilation = window(step, sides, w.codes.shape[2:])
    zero = worth.zero_point if any(map(any, pads)) else 0
    op = ops.Conv(stride, pads, dilation, int(step.options.get("group", 1)), zero)
    turned = Weights(np.moveaxis(w.codes, 1, -1), w.scales, 0)
    return product(reader, step, op, reader.image(x), turned, bias, worth)


@rule("Conv")
def conv(reader: Reader, step: Step) -> Sums:
    x, w = codes_of(reader, step, 0), weights(reader, step, 1)
    assert x.worth is not None
    return convolved(reader, step, x, x.worth, w, bias_of(reader, step, 2, len(w.codes)))


@rule("Gemm")
def gemm(reader: Reader, step: Step) -> Sums:
    options = step.options
    plain = options.get("alpha", 1) == options.get("beta", 1) == 1 and not options.get("transA")
    demand(plain, f"{step}: alpha and beta are 1, and A is as it lies")
    w = weights(reader, step, 1)
    return rows(reader, step, w if options.get("transB") else turned(w), 2)


def turned(w: Weights) -> Weights:
    return Weights(w.codes.T, w.scales, 0)


@rule("MatMul")
def matmul(reader: Reader, step: Step) -> Known:
    if isinstance(reader.known.get(step.inputs[1]), Weights):
        return rows(reader, step, turned(weights(reader, step, 1)), 99)
    a, b = (codes_of(reader, step, i) for i in (0, 1))
    assert a.worth is not None
    assert b.worth is not None
    return paired(reader, a, b, a.worth, b.worth)


def paired(reader: Reader, a: Value, b: Value, x: Parameters, y: Parameters) -> Sums:
    a, b = (replace(reader.natural(v), worth=None) for v in (a, b))
    made = reader.emit(ops.MatMul((x.zero_point, y.zero_point)), a, b, axes=a.axes)
    return Sums(made, x.scale, np.array([y.scale], np.float32), np.zeros(1, np.int64))


def rows(reader: Reader, step: Step, w: Weights, bias: int) -> Sums:
    x = codes_of(reader, step, 0)
    assert x.worth is not None
    demand(w.codes.ndim == 2, f"{step}: its weights are one matrix")
    offset = bias_of(reader, step, bias, len(w.codes))
    return product(reader, step, ops.Linear(), reader.natural(x), w, offset, x.worth)
