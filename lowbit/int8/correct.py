r"""Bias correction: the mean error that rounded weights make is taken out of the bias.

    b'  =  b + E[W x - Q(W) x],                                                               (1)

a channel each, over the calibration data. Rounding errors of a channel's weights do not average
out when its inputs have one sign, as after a ReLU. Nagel et al., 2019, section 4.2.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.calibrate import Batch, batches_of, interpret
from lowbit.int8.coding import Coded, Rounded
from lowbit.int8.equalize import ours
from lowbit.int8.fold import set_weight_and_bias, weight_and_bias
from lowbit.int8.parameters import weight_codes, weight_spec


def correct_biases(
    captured: Captured,
    data: Iterable[Batch],
    bits: int,
    per_channel: bool,
    rounded: Rounded | None = None,
) -> None:
    """Equation (1) for every layer, changing the captured program in place; `rounded` holds the
    codes of layers that are not rounded to the nearest."""
    layers = [n for n in captured.operations if ours(n, captured)]
    errors = {}
    for n in layers:
        w = weight_and_bias(n, captured)[0]
        errors[n] = rounding_error(w, (rounded or {}).get(n) or nearest(w, bits, per_channel))
    totals: dict[Node, Tensor] = {}
    counts: dict[Node, int] = dict.fromkeys(layers, 0)

    def watch(node: Node, args: tuple) -> None:
        if node not in errors:
            return
        y = node.target(args[0], errors[node], None, *args[3:])
        axis = 1 if "conv" in str(node.target) else y.ndim - 1
        y = y.transpose(0, axis).flatten(1).double()
        totals[node] = totals.get(node, 0) + y.sum(1)
        counts[node] += y.shape[1]

    for batch in batches_of(data, captured):
        interpret(captured, batch, lambda node, x: None, watch)
    for node in layers:
        w, bias = weight_and_bias(node, captured)
        set_weight_and_bias(node, captured, w, bias + totals[node] / counts[node])


def nearest(w: Tensor, bits: int, per_channel: bool) -> Coded:
    rows = w.flatten(1).abs().amax(1)
    largest = rows if per_channel else rows.max().expand_as(rows)
    scales = (largest / weight_spec(bits).hi).clamp_min(1e-25).numpy()
    return Coded(weight_codes(w.numpy(), scales, bits), scales)


def rounding_error(w: Tensor, coded: Coded) -> Tensor:
    """W - Q(W)"""
    steps = torch.from_numpy(coded.scales).reshape(-1, *[1] * (w.ndim - 1))
    return (w - torch.from_numpy(coded.codes) * steps).float()
