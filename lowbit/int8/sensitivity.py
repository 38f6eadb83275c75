"""What one layer alone costs: it is quantized, all others are not, and the outputs are compared.

Of a float model, each layer in turn gets 8-bit weights and results. Of a low-bit model, whose
floats are not a network that was ever trained, each layer's quantizers are switched off in turn.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.calibrate import Batch, again, interpret
from lowbit.int8.correct import nearest
from lowbit.int8.debug import decibels, first_inputs
from lowbit.int8.equalize import ours
from lowbit.int8.fold import weight_and_bias
from lowbit.int8.lower import Settings
from lowbit.int8.quantize import chosen, prepare
from lowbit.int8.sharing import fused
from lowbit.nn.product import QuantizedProduct
from lowbit.quant import Quantizer
from lowbit.spec import INT8, Parameters


def one_at_a_time(
    model: nn.Module,
    batches: Iterable[Batch],
    method: str | dict[str, str] = "minmax",
    settings: Settings | None = None,
) -> dict[str, float]:
    """The SNR of the outputs in decibels on the first batch, for each layer with weights."""
    settings, batches = settings or Settings(), again(batches)
    captured, seen = prepare(model, batches)
    worth, inputs = chosen(captured, seen, method), first_inputs(captured, next(iter(batches)))
    want = interpret(captured, inputs, lambda node, x: None)[0].numpy()
    activations = {anchor: node for node, anchor in fused(captured).items()}
    found = {}
    for node in [n for n in captured.operations if ours(n, captured)]:
        last = activations.get(node, node)
        got = with_codes(captured, inputs, node, last, worth[last], settings)
        found[node.name] = decibels(want, got.numpy())
    return found


def with_codes(
    captured: Captured,
    inputs: tuple[Tensor, ...],
    node: Node,
    last: Node,
    worth: Parameters,
    settings: Settings,
) -> Tensor:
    """The first output with one layer's weights, and the result of its activation, as codes."""
    w, _ = weight_and_bias(node, captured)
    codes, scales = nearest(w, settings.weight_bits, settings.per_channel)
    coarse = torch.from_numpy(codes * scales.reshape(-1, *[1] * (w.ndim - 1))).float()

    def alter(n: Node, x: Tensor) -> Tensor:
        return (
            torch.fake_quantize_per_tensor_affine(x, *worth, INT8.lo, INT8.hi) if n is last else x
        )

    captured.constants[node.args[1]] = coarse
    try:
        return interpret(captured, inputs, lambda n, x: None, alter=alter)[0]
    finally:
        captured.constants[node.args[1]] = w


def one_switched_off(model: nn.Module, batch: Tensor) -> dict[str, float]:
    """The SNR of a low-bit model's outputs in decibels, for each layer whose quantizers are off."""
    with torch.no_grad():
        want, found = model(batch).numpy(), {}
        for name, layer in low_bit_layers(model).items():
            on = [q for q in layer.modules() if isinstance(q, Quantizer) and q.enabled]
            try:
                for quantizer in on:
                    quantizer.set_enabled(False)
                found[name] = decibels(want, model(batch).numpy())
            finally:
                for quantizer in on:
                    quantizer.set_enabled(True)
    return found


def low_bit_layers(model: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, QuantizedProduct) and not module.is_float
    }


def ranked(found: dict[str, float]) -> list[tuple[str, float]]:
    """Worst first."""
    return sorted(found.items(), key=lambda pair: (np.isnan(pair[1]), pair[1]))
