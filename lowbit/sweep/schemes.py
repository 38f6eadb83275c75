"""Schemes by name or in full: which quantizer the weights have, and which the inputs.

w2a4, wta2, w1af            weight bits (t: ternary, f: float), input bits
lsq-w2a4                    the same in another family of quantizers
ptq-w8a8, ptq-w4a8          the float model calibrated (lowbit.ptq) instead of trained at these bits
xnor/rsign, lsq:2/pact:4    weight quantizer / input quantizer, as layers take them
lsq:2/lsq:2/8bit/8bit       and what is done with the first and the last layer
mixed/8.4.2.8               LSQ at a width a layer, in their order (f: float), from the float model
float                       nothing is quantized
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

NAME = re.compile(r"(?:(\w+)-)?w(\d+|t|f)a(\d+|t|f)")
EDGES = ("float", "8bit", "image8")

# What a width means in a family: for weights, for inputs. Binary and ternary are no family's own.
DOREFA = {"1": "dorefa:1", "2": "dorefa:2", "3": "dorefa:3", "4": "dorefa:4", "8": "dorefa:8"}
LSQ = {"2": "lsq:2", "3": "lsq:3", "4": "lsq:4", "8": "lsq:8"}
SIGNS = {"1": "ste_sign", "t": "ste_tern", "f": None}
FAMILIES: dict[str, tuple[dict[str, str | None], dict[str, str | None]]] = {
    "dorefa": ({**DOREFA, **SIGNS}, {**DOREFA, **SIGNS}),
    "lsq": ({**LSQ, **SIGNS, "t": "twn"}, {**LSQ, **SIGNS}),
    "irnet": ({"1": "irnet"}, {"1": "irnet"}),
    "xnor": ({"1": "xnor", "f": None}, {"1": "ste_sign", "f": None}),
    "ptq": ({bits: f"ptq:{bits}" for bits in "2345678"}, {"8": "ptq:8"}),
}
DEFAULT = "dorefa"
MIXABLE = {**LSQ, "f": None}


@dataclass(frozen=True, slots=True)
class Scheme:
    """`first` and `last` are names of lowbit.schemes.EDGES, or None: as all other layers."""

    weight: str | None
    input: str | None
    first: str | None = None
    last: str | None = None

    def __post_init__(self) -> None:
        calibrated = [str(choice).startswith("ptq:") for choice in (self.weight, self.input)]
        if any(calibrated) and (not all(calibrated) or self.first or self.last):
            raise ValueError(f"{self}: calibration is of the whole network: ptq-w8a8, ptq-w4a8")

    @property
    def calibrated(self) -> bool:
        """The float model is trained, and lowbit.ptq then chooses weights and ranges."""
        return str(self.weight).startswith("ptq:")

    @property
    def mixed(self) -> tuple[str, ...]:
        """The width of every layer, if each has its own."""
        text = str(self.weight)
        return tuple(text[6:].split(".")) if text.startswith("mixed:") else ()

    @property
    def widths(self) -> tuple[int, int]:
        """The bits of weights and inputs of a calibrated network."""
        return int(str(self.weight)[4:]), int(str(self.input)[4:])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.mixed:
            return f"mixed/{'.'.join(self.mixed)}"
        parts = [self.weight or "float", self.input or "float"]
        if self.first or self.last:
            parts += [self.first or "same", self.last or "same"]
        return "/".join(parts)


FLOAT = Scheme(None, None)


def scheme(text: str) -> Scheme:
    """The scheme that a name or a full spelling means; ValueError for anything else."""
    if text == "float":
        return FLOAT
    if match := NAME.fullmatch(text):
        family, weight, input = match.groups()
        return named(text, family or DEFAULT, weight, input)
    if text.startswith("mixed/"):
        return mixed(text.removeprefix("mixed/").split("."))
    parts = [None if part in ("float", "same") else part for part in text.split("/")]
    if len(parts) == 2:
        return Scheme(*parts)
    if len(parts) == 4:
        return Scheme(parts[0], parts[1], edge(text, 2), edge(text, 3))
    raise ValueError(
        f"no scheme {text!r}: write bits (w2a4; t is ternary, f is float), a family and bits "
        f"({', '.join(f'{family}-w1a1' for family in FAMILIES)}), or quantizers "
        "(WEIGHT/INPUT or WEIGHT/INPUT/FIRST/LAST, such as lsq:2/lsq:2/8bit/8bit)"
    )


def mixed(widths: Sequence[str]) -> Scheme:
    """LSQ at these widths, one a layer."""
    if wrong := [width for width in widths if width not in MIXABLE]:
        raise ValueError(f"mixed widths are {', '.join(MIXABLE)}, not {', '.join(wrong)}")
    text = f"mixed:{'.'.join(widths)}"
    return Scheme(text, text)


def edge(text: str, place: int) -> str | None:
    """A scheme in full says `float` of a first or last layer and means it."""
    name = text.split("/")[place]
    if name not in (*EDGES, "same"):
        raise ValueError(f"{text!r}: {name!r} is none of {', '.join((*EDGES, 'same'))}")
    return None if name == "same" else name


def named(text: str, family: str, weight: str, input: str) -> Scheme:
    if family not in FAMILIES:
        raise ValueError(f"{text!r}: no family {family!r}, choose from {', '.join(FAMILIES)}")
    weights, inputs = FAMILIES[family]
    for width, table, role in ((weight, weights, "weights"), (input, inputs, "inputs")):
        if width not in table:
            known = ", ".join(sorted(table))
            raise ValueError(f"{text!r}: {family} has {role} of {known} bits, not of {width}")
    return Scheme(weights[weight], inputs[input])
