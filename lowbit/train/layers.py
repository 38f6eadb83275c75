"""The one place that knows how layers hold their quantizers."""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import Any

from torch import nn

from lowbit.quant import Quantizer


def quantizers(
    model: nn.Module, role: str, layers: str = "*"
) -> Iterator[tuple[str, Any, Quantizer]]:
    """(name, layer, quantizer) of each layer whose name matches and that has one in `role`,
    which is "weight_quantizer" or "input_quantizer"."""
    for name, layer in model.named_modules():
        quantizer = getattr(layer, role, None)
        if isinstance(quantizer, Quantizer) and fnmatch(name, layers):
            yield name, layer, quantizer


@contextmanager
def untouched(quantizer: Quantizer) -> Iterator[None]:
    """Evaluation mode meanwhile, in which a quantizer learns nothing from what it sees."""
    training = quantizer.training
    quantizer.eval()
    try:
        yield
    finally:
        quantizer.train(training)
