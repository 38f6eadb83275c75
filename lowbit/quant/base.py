"""A quantizer is three choices, made separately: alphabet, scale rule, pretended gradient.

Its result is a sum of terms, each integer codes times a scale; nearly every quantizer has one.
Layers multiply codes with codes and apply the scales afterwards, so that the eager forward is the
integer program, carried in float32.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lowbit.quant.gradient import Gradient
from lowbit.quant.precision import without_autocast
from lowbit.quant.scale import ScaleRule
from lowbit.quant.snap import snap
from lowbit.spec import QuantSpec


class Term(NamedTuple):
    """Integer codes, held as float32, and the scale they are multiplied by (None is 1)."""

    codes: Tensor
    scale: Tensor | None

    @property
    def value(self) -> Tensor:
        return self.codes if self.scale is None else self.codes * self.scale


class Quantizer(nn.Module):
    """value = codes * scale, with codes = snap(x) and each factor differentiable as its rule says.

    Subclasses change `encode` where a paper does more than that. `enabled` turns it into a float
    pass-through (schedules use it); it is mirrored in a buffer, so that checkpoints, EMA and
    resumed runs agree. A float checkpoint, which has no quantizer state, loads without complaint.
    """

    spec: QuantSpec
    enabled_now: Tensor

    def __init__(self, spec: QuantSpec, scale: ScaleRule, gradient: Gradient) -> None:
        super().__init__()
        self.spec = spec
        self.scale = scale
        self.gradient = gradient
        self.enabled = True
        self.register_buffer("enabled_now", torch.tensor(True))
        self.register_load_state_dict_post_hook(after_loading)

    @property
    def specs(self) -> tuple[QuantSpec, ...]:
        """The alphabet of each term."""
        return (self.spec,)

    def encode(self, x: Tensor) -> tuple[Term, ...]:
        """Terms whose values add up to the quantized x; codes lie in `specs`."""
        return (Term(snap(x, self.spec, self.gradient), self.scale(x)),)

    def terms(self, x: Tensor) -> tuple[Term, ...]:
        """What a layer multiplies: the codes in float32 whatever autocast says, or x itself."""
        if not self.enabled:
            return (Term(x, None),)
        with without_autocast(x):
            return self.encode(x if x.dtype == torch.float64 else x.float())

    def forward(self, x: Tensor) -> Tensor:
        values = [term.value for term in self.terms(x)]
        return sum(values[1:], values[0])

    def set_enabled(self, enabled: bool) -> None:
        self.enabled = enabled
        self.enabled_now.fill_(enabled)

    def restored(self) -> None:
        """Called after a state dict is loaded: plain attributes follow their buffers."""
        self.enabled = bool(self.enabled_now)

    def _load_from_state_dict(self, state, prefix, *rest):
        if not any(key.startswith(prefix) for key in state):  # a float checkpoint: ours stays
            state.update(self.state_dict(prefix=prefix))
        super()._load_from_state_dict(state, prefix, *rest)

    def extra_repr(self) -> str:
        return " + ".join(map(str, self.specs))


def after_loading(quantizer: Quantizer, _: object) -> None:
    quantizer.restored()
