"""A batch norm that folded into nothing, behind a pool or a sum, say: a product a channel."""

import torch
from torch.fx import Node

from lowbit.exporter.lower import Value
from lowbit.int8 import parameters as rounding
from lowbit.int8.coding import Coded
from lowbit.int8.fold import scale_and_shift
from lowbit.int8.lower import Int8Lowering, rule
from lowbit.int8.rules.elementwise import table
from lowbit.int8.rules.product import product
from lowbit.ir import ops

BITS = 8  # of its weights, whatever those of layers have


@rule(torch.ops.aten.batch_norm.default)
def batch_norm(lowering: Int8Lowering, node: Node, activation: Node) -> Value | None:
    """A depthwise convolution of one tap. Each channel has its own scale, so that its one weight,
    the largest code of either sign, is exact. Without sides to go along, a table."""
    sides = node.meta["val"].ndim - 2
    if not sides or node.args[3] is None:
        return table(lowering, node, activation)
    value = lowering.quantized(node.args[0])
    if value is None:
        return None
    value = lowering.channels_last(value, node)
    a, bias = (t.float().numpy() for t in scale_and_shift(node, lowering.captured))
    x, out = lowering.codes[value.name], lowering.parameters[activation]
    scales = rounding.weight_scales(a, bias, x, out, BITS, per_channel=True)
    codes = rounding.weight_codes(a, scales, BITS).reshape(-1, *[1] * sides, 1)
    op = ops.Conv((1,) * sides, ((0, 0),) * sides, (1,) * sides, len(a), 0)
    spec = rounding.weight_spec(BITS)
    return product(lowering, node, activation, value, op, Coded(codes, scales), spec, bias)
