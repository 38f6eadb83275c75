r"""Cross-layer equalization: channels of one layer made alike by scaling the next one's inputs.

Between two layers with nothing but a ReLU, relu(s x) = s relu(x) for s > 0, so that

    W_1[i] / s_i,  b_1[i] / s_i,  W_2[:, i] s_i   with   s_i = sqrt(r_1 r_2) / r_2,           (1)

computes the same; r_1, r_2 are the largest magnitudes of channel i on either side, and end equal.
Per-tensor weights lose least then. Nagel et al., "Data-Free Quantization through Weight
Equalization and Bias Correction", 2019, section 4.1.
"""

import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.fold import PRODUCTS, aten, set_weight_and_bias, weight_and_bias

RELUS = {aten.relu.default, aten.relu_.default}
ROUNDS = 20
LARGEST = 1e4  # of a scale, so that channels of nearly nothing stay so


def equalize(captured: Captured) -> int:
    """Changes the captured program in place; the number of pairs that equation (1) was used on."""
    pairs = [(n, after) for n in captured.operations if (after := follower(n, captured))]
    for _ in range(ROUNDS if pairs else 0):
        for first, second in pairs:
            balance(first, second, captured)
    return len(pairs)


def follower(node: Node, captured: Captured) -> Node | None:
    """The layer that alone reads this one's channels, through a ReLU or nothing."""
    if not ours(node, captured) or node in captured.outputs:
        return None
    while len(node.users) == 1:
        (node,) = node.users
        if node.target in PRODUCTS:
            return node if ours(node, captured) and matches(node, captured) else None
        if node.target not in RELUS or node in captured.outputs:
            return None
    return None


def ours(node: Node, captured: Captured) -> bool:
    """A layer whose float weights belong to it alone."""
    if node.target not in PRODUCTS or node.args[1] not in captured.constants:
        return False
    return node.args[1] not in captured.specs and len(node.args[1].users) == 1


def groups(node: Node) -> int:
    return node.args[6] if len(node.args) > 6 else 1


def matches(node: Node, captured: Captured) -> bool:
    """Dense, or depthwise with an output a channel."""
    w, _ = weight_and_bias(node, captured)
    return groups(node) in (1, len(w)) and (groups(node) == 1 or w.shape[1] == 1)


def balance(first: Node, second: Node, captured: Captured) -> None:
    """Equation (1)."""
    (w, b), (v, c) = weight_and_bias(first, captured), weight_and_bias(second, captured)
    axis = 0 if groups(second) > 1 else 1
    r, q = w.flatten(1).abs().amax(1), v.transpose(0, axis).flatten(1).abs().amax(1)
    alive = (r > 0) & (q > 0)
    s = torch.where(alive, torch.sqrt(r / q.clamp_min(1e-30)), 1.0).clamp(1 / LARGEST, LARGEST)
    set_weight_and_bias(first, captured, w / along(s, w, 0), b / s)
    set_weight_and_bias(second, captured, v * along(s, v, axis), c)


def along(s: Tensor, w: Tensor, axis: int) -> Tensor:
    return s.reshape([-1 if i == axis else 1 for i in range(w.ndim)])
