"""Softmax of codes, whose result is worth 1/256 a code whatever was observed."""

from torch.fx import Node

from lowbit.exporter.lower import Value
from lowbit.int8.lower import SHARES, Int8Lowering, rule
from lowbit.int8.sharing import SOFTMAXES
from lowbit.ir.ops.softmax import LONGEST, SCALES, SOFTMAX


@rule(*SOFTMAXES)
def softmax(lowering: Int8Lowering, node: Node, _: Node) -> Value | None:
    """Along the axis that is put last for it; what integers do not reach stays float."""
    if lowering.settings.activation_bits != 8:
        return None
    value = lowering.quantized(node.args[0])
    if value is None or node.kwargs or node.args[2:] not in ((), (False,), (None,)):
        return None
    axis = node.args[1] % (len(value.axes) + 1) - 1
    scale = lowering.codes[value.name].scale
    if axis < 0 or value.shape[value.axes.index(axis)] > LONGEST:
        return None
    if not SCALES[0] <= scale < SCALES[1]:
        return None
    value = lowering.arrange(value, (*(a for a in value.axes if a != axis), axis), node)
    op = SHARES[lowering.settings.form](scale)
    made = lowering.worth(lowering.emit(op, (value,), value.axes, node), SOFTMAX.parameters)
    worth = lowering.parameters[node]
    if worth == SOFTMAX.parameters:
        return made
    return lowering.requantize(
        node, made, input_scale=SOFTMAX.scale, worth=worth, bias=-SOFTMAX.zero_point
    )
