"""What each node of a float ONNX model is in torch: a table of rules."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowbit.interchange.onnx_model import Step, behind_batch, demand
from lowbit.interchange.onnx_read.pools import window

FLOAT = 1  # ONNX's number for float32


class Operation(nn.Module):
    """One node; its constants of floats are buffers, others are numbers that torch is told."""

    def __init__(self, step: Step, constants: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.step = step
        self.constants = {i: constants[n] for i, n in enumerate(step.inputs) if n in constants}
        for i, value in self.constants.items():
            if value.dtype == np.float32:
                self.register_buffer(f"operand{i}", torch.from_numpy(value.copy()))

    def forward(self, *moving: Tensor) -> Tensor:
        rest = iter(moving)
        operands: list[Tensor | None] = []
        for i, name in enumerate(self.step.inputs):
            fixed = i in self.constants or not name
            operands.append(getattr(self, f"operand{i}", None) if fixed else next(rest))
        return RULES[self.step.kind](self, operands)

    def option(self, name: str, default):
        return self.step.options.get(name, default)

    def numbers(self, place: int, option: str, default: list | None = None) -> list:
        """What is an operand or, in older models, an option."""
        if place in self.constants:
            return self.constants[place].reshape(-1).tolist()
        self.rule(not any(self.step.inputs[place : place + 1]), f"operand {place} is a constant")
        found = self.option(option, default)
        self.rule(found is not None, f"it has {option}")
        return list(found) if isinstance(found, list | tuple) else [found]

    def rule(self, holds: bool, rule: str) -> None:
        demand(holds, f"{self.step}: {rule}")


Rule = Callable[[Operation, list], Tensor]
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d}
MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d}
AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d}
RESIZED = {
    ("nearest", "asymmetric"): "nearest",
    ("linear", "half_pixel"): "bilinear",
    ("linear", "pytorch_half_pixel"): "bilinear",
}


def sides_of(op: Operation, x: Tensor) -> int:
    sides = x.ndim - 2
    op.rule(sides in (1, 2), "it runs over 1 or 2 sides")
    return sides


def padded(x: Tensor, pads: Sequence[tuple[int, int]], value: float) -> tuple[Tensor, tuple]:
    """What torch pads itself is left to it; different ends are padded here."""
    if all(lo == hi for lo, hi in pads):
        return x, tuple(lo for lo, _ in pads)
    ends = [end for pair in reversed(pads) for end in pair]
    return F.pad(x, ends, value=value), (0,) * len(pads)


def conv(op: Operation, x: list) -> Tensor:
    sides = sides_of(op, x[0])
    stride, pads, dilation = window(op.step, sides, x[1].shape[2:])
    y, padding = padded(x[0], pads, 0.0)
    bias = x[2] if len(x) > 2 else None
    return CONVOLUTIONS[sides](y, x[1], bias, stride, padding, dilation, op.option("group", 1))


def conv_transpose(op: Operation, x: list) -> Tensor:
    op.rule(sides_of(op, x[0]) == 2, "it runs over 2 sides")
    stride, pads, dilation = window(op.step, 2, x[1].shape[2:])
    op.rule(all(lo == hi for lo, hi in pads), "both ends have the same padding")
    op.rule("output_shape" not in op.step.options, "output_shape is not read")
    spare, bias = tuple(op.option("output_padding", (0, 0))), x[2] if len(x) > 2 else None
    padding = tuple(lo for lo, _ in pads)
    groups = op.option("group", 1)
    return F.conv_transpose2d(x[0], x[1], bias, stride, padding, spare, groups, dilation)


def gemm(op: Operation, x: list) -> Tensor:
    plain = op.option("alpha", 1) == op.option("beta", 1) == 1 and not op.option("transA", 0)
    op.rule(plain, "alpha and beta are 1, and A is as it lies")
    return F.linear(x[0], x[1] if op.option("transB", 0) else x[1].T, *x[2:3])


def matmul(op: Operation, x: list) -> Tensor:
    matrix = 1 in op.constants and x[1].ndim == 2
    return F.linear(x[0], x[1].T) if matrix else torch.matmul(x[0], x[1])


def batch_norm(op: Operation, x: list) -> Tensor:
    y, gamma, beta, mean, variance = x[:5]
    return F.batch_norm(y, mean, variance, gamma, beta, False, 0.1, op.option("epsilon", 1e-5))


def max_pool(op: Operation, x: list) -> Tensor:
    sides, kernel = sides_of(op, x[0]), tuple(op.option("kernel_shape", ()))
    stride, pads, dilation = window(op.step, sides, kernel)
    y, padding = padded(x[0], pads, -math.inf)
    return MAX_POOLS[sides](y, kernel, stride, padding, dilation)


def average_pool(op: Operation, x: list) -> Tensor:
    sides, kernel = sides_of(op, x[0]), tuple(op.option("kernel_shape", ()))
    stride, pads, _ = window(op.step, sides, kernel)
    op.rule(all(lo == hi for lo, hi in pads), "both ends have the same padding")
    padding, include = tuple(lo for lo, _ in pads), bool(op.option("count_include_pad", 0))
    return AVERAGES[sides](x[0], kernel, stride, padding, False, include)


def global_average(op: Operation, x: list) -> Tensor:
    return x[0].mean(tuple(range(2, x[0].ndim)), keepdim=True)


def reduce_mean(op: Operation, x: list) -> Tensor:
    axes = [int(a) for a in op.numbers(1, "axes")]
    return x[0].mean(tuple(axes), keepdim=bool(op.option("keepdims", 1)))


def clip(op: Operation, x: list) -> Tensor:
    lo, hi = (op.numbers(i, n, [None])[0] for i, n in ((1, "min"), (2, "max")))
    return x[0].clamp(lo, hi)


def prelu(op: Operation, x: list) -> Tensor:
    op.rule(1 in op.constants, "its slopes are constants")
    return F.prelu(x[0], x[1].reshape(-1))


def hard_sigmoid(op: Operation, x: list) -> Tensor:
    alpha, beta = op.option("alpha", 0.2), op.option("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid(x[0])
    return (x[0] * alpha + beta).clamp(0, 1)


def gelu(op: Operation, x: list) -> Tensor:
    return F.gelu(x[0], approximate=op.option("approximate", b"none").decode())


def arithmetic(function: Callable[[Tensor, Tensor], Tensor]) -> Rule:
    def rule(op: Operation, x: list) -> Tensor:
        op.rule(len(x) == 2 and None not in x, "two operands of floats")
        return function(*x)

    return rule


def reshape(op: Operation, x: list) -> Tensor:
    """The other sides are all known, so that the batch may be any."""
    sides = [int(s) for s in op.numbers(1, "shape")]
    return x[0].reshape(-1, *behind_batch(op.step, sides, math.prod(x[0].shape[1:])))


def flatten(op: Operation, x: list) -> Tensor:
    op.rule(op.option("axis", 1) == 1, "the batch stays in front")
    return x[0].flatten(1)


def squeeze(op: Operation, x: list) -> Tensor:
    return x[0].squeeze(tuple(int(a) for a in op.numbers(1, "axes")))


def unsqueeze(op: Operation, x: list) -> Tensor:
    for axis in sorted(int(a) for a in op.numbers(1, "axes")):
        x[0] = x[0].unsqueeze(axis)
    return x[0]


def pad(op: Operation, x: list) -> Tensor:
    op.rule(op.option("mode", b"constant") == b"constant", "only a constant is padded with")
    pads = [int(p) for p in op.numbers(1, "pads")]
    op.rule(len(pads) == 2 * x[0].ndim and not pads[0] and not pads[x[0].ndim], "no batch is added")
    value = op.numbers(2, "value", [0.0])[0]
    pairs = list(zip(pads[: x[0].ndim], pads[x[0].ndim :], strict=True))[1:]
    return F.pad(x[0], [end for pair in reversed(pairs) for end in pair], value=value)


def resize(op: Operation, x: list) -> Tensor:
    """The two ways in which torch and ONNX agree on where pixels lie."""
    mode = op.option("mode", b"nearest").decode()
    where = op.option("coordinate_transformation_mode", b"half_pixel").decode()
    op.rule((mode, where) in RESIZED, f"{mode} by {where} is not read")
    sizes = [int(s) for s in op.numbers(3, "sizes", [])]
    if not sizes:
        scales = op.numbers(2, "scales")
        sizes = [int(s * k) for s, k in zip(x[0].shape, scales, strict=True)]
    way = RESIZED[mode, where]
    options = {} if way == "nearest" else {"align_corners": False}
    return F.interpolate(x[0], size=sizes[2:], mode=way, **options)


def cast(op: Operation, x: list) -> Tensor:
    op.rule(op.option("to", FLOAT) == FLOAT, "casts are to float32")
    return x[0].float()


def unary(function: Callable[[Tensor], Tensor]) -> Rule:
    return lambda op, x: function(x[0])


RULES: dict[str, Rule] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "ReduceMean": reduce_mean,
    "Relu": unary(F.relu),
    "Clip": clip,
    "LeakyRelu": lambda op, x: F.leaky_relu(x[0], op.option("alpha", 0.01)),
    "PRelu": prelu,
    "Sigmoid": unary(torch.sigmoid),
    "Tanh": unary(torch.tanh),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": unary(F.hardswish),
    "Gelu": gelu,
    "Softmax": lambda op, x: x[0].softmax(op.option("axis", -1)),
    "Add": arithmetic(torch.add),
    "Sub": arithmetic(torch.sub),
    "Mul": arithmetic(torch.mul),
    "Div": arithmetic(torch.div),
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda op, x: x[0].permute(op.option("perm", tuple(range(x[0].ndim))[::-1])),
    "Concat": lambda op, x: torch.cat(x, op.option("axis", 1)),
    "Pad": pad,
    "Resize": resize,
    "Cast": cast,
    "Identity": unary(lambda x: x),
    "Dropout": unary(lambda x: x),
}
