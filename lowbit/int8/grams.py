r"""Second moments of what a layer's weights are multiplied with.

The squared error that changed weights make in a layer's outputs is a quadratic form:

    E |e x|^2  =  e G e^T,   G = E x x^T,                                                     (1)

for a row e of the change and a patch x of the input. So G, one a group of channels, is all that
has to be remembered of the data, however much there is.
"""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.exporter.rules.product import defaults, padding_of, tupled
from lowbit.int8.calibrate import Batch, batches_of, interpret
from lowbit.int8.equalize import ours
from lowbit.int8.fold import CONVOLUTIONS, weight_and_bias


def grams(captured: Captured, data: Iterable[Batch]) -> dict[Node, Tensor]:
    """G of equation (1) for every layer with weights of its own: (groups, depth, depth)."""
    layers = {n for n in captured.operations if ours(n, captured)}
    totals: dict[Node, Tensor] = {}
    counts: dict[Node, int] = dict.fromkeys(layers, 0)

    def watch(node: Node, args: tuple) -> None:
        if node not in layers:
            return
        for x in patches(node, args[0], weight_and_bias(node, captured)[0]):
            totals[node] = totals.get(node, 0) + x @ x.mT
            counts[node] += x.shape[-1]

    for batch in batches_of(data, captured):
        interpret(captured, batch, lambda node, x: None, watch)
    return {node: total / counts[node] for node, total in totals.items()}


def patches(node: Node, x: Tensor, w: Tensor) -> Iterable[Tensor]:
    """What each row of weights meets, (groups, depth, positions), an image at a time."""
    if node.target not in CONVOLUTIONS:
        yield x.reshape(-1, x.shape[-1]).T[None]
        return
    _, _, _, stride, padding, dilation, groups = defaults(node)
    sides, kernel = w.ndim - 2, tuple(w.shape[2:])
    stride, dilation = tupled(stride, sides), tupled(dilation, sides)
    pads = padding_of(padding, kernel, dilation, sides)
    x = F.pad(x, [end for pair in reversed(pads) for end in pair])
    if sides == 1:
        x, kernel, stride, dilation = x[:, :, None], (1, *kernel), (1, *stride), (1, *dilation)
    for image in x.split(1):
        columns = F.unfold(image, kernel, dilation, 0, stride)
        yield columns.reshape(groups, -1, columns.shape[-1])
