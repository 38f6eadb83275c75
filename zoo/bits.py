"""Which quantizers a network's layers take: the body's two, and the places that papers keep real.

    first   the layer that sees pixels
    real    what a paper keeps real inside a binary body: shortcut and transition convolutions
    last    the classifier

These three are names of `lowbit.schemes.EDGES`, "float" as most papers have it; or "body" for the
body's quantizers; or "pixels" for the body's weights over the image's own bytes. Layers are built
from a place and torch's own arguments:

    conv(bits.at("body"), 64, 128, 3, stride=2)
"""

from dataclasses import dataclass, replace

from torch import nn

from lowbit import nn as lnn
from lowbit.quant import INPUTS, build
from lowbit.schemes import EDGES, SCHEMES, Pair, Scheme, known

EIGHT = EDGES["8bit"]


@dataclass(frozen=True, slots=True)
class Bits:
    weight: str | None
    input: str | None
    first: str = "float"
    real: str = "float"
    last: str = "float"

    def at(self, place: str) -> Pair:
        """The quantizers of the layers in "body", "first", "real" or "last"."""
        edge = "body" if place == "body" else getattr(self, place)
        own = {
            "body": Pair(self.weight, self.input),
            "pixels": Pair(self.weight, self.weight and "image8"),
        }
        return known(edge, EDGES | own, "edge")

    def with_scheme(self, scheme: str | Scheme) -> "Bits":
        """The scheme's body, first and last; what is real in the middle stays as it is."""
        chosen = known(scheme, SCHEMES, "scheme") if isinstance(scheme, str) else scheme
        first, last = chosen.first or "body", chosen.last or "body"
        return replace(self, weight=chosen.weight, input=chosen.input, first=first, last=last)

    def exact(self) -> "Bits":
        """No float sum is left: bytes for pixels, 8 bits for all that is float otherwise.

        The eager network then agrees with the exported one to the last bit of its logits.
        """
        places = {"first": "image8", "real": "8bit", "last": "8bit"}
        changed = {place: to for place, to in places.items() if getattr(self, place) == "float"}
        weight, input = self.weight or EIGHT.weight, self.input or EIGHT.input
        return replace(self, weight=weight, input=input, **changed)


FLOAT = Bits(None, None)


def conv(
    pair: Pair,
    ins: int,
    outs: int,
    kernel: int,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
    pad_value: int = 0,
) -> lnn.Conv2d:
    """Padded, unless told otherwise, by what keeps the sides at stride 1."""
    if padding is None:
        padding = dilation * (kernel - 1) // 2
    return lnn.Conv2d(
        ins,
        outs,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        bias,
        weight=pair.weight,
        input=pair.input,
        pad_value=pad_value,
    )


def linear(pair: Pair, ins: int, outs: int, bias: bool = False) -> lnn.Linear:
    return lnn.Linear(ins, outs, bias, weight=pair.weight, input=pair.input)


def activation(pair: Pair) -> nn.Module:
    """What stands in front of a layer of `pair`: nothing where its codes have a sign, for behind a
    ReLU all signs are +1; a ReLU where they have none, or where the input is float."""
    quantizer = build(pair.input, INPUTS, 1)
    signed = quantizer is not None and quantizer.spec.lo < 0
    return nn.Identity() if signed else nn.ReLU()


def for_negatives(pair: Pair) -> Pair:
    """Where values have a sign, LSQ's unsigned codes give way to LSQ+'s, with a learned offset."""
    name, _, width = (pair.input or "").partition(":")
    return Pair(pair.weight, f"lsq_plus:{width}") if name == "lsq" else pair


def is_binary(pair: Pair) -> bool:
    quantizer = build(pair.input, INPUTS, 1)
    return quantizer is not None and quantizer.spec.levels == 2 and quantizer.spec.lo < 0
