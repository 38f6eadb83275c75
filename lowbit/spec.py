"""What a quantized tensor may hold. Pure Python: training, export and runtime all read it."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class QuantSpec:
    """An integer alphabet: the codes lo, lo + step, ..., hi. A value is scale times code.

    `step` is 2 for the alphabets without a zero: {-1, +1}, or DoReFa's {-3, -1, +1, +3}.
    The index of a code is (code - lo) / step; packed storage holds the bits of the index.
    """

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.lo > self.hi or self.step < 1 or (self.hi - self.lo) % self.step:
            raise ValueError(f"not an integer alphabet: {self}")

    @property
    def levels(self) -> int:
        return (self.hi - self.lo) // self.step + 1

    @property
    def bits(self) -> int:
        """Bits that hold an index: 1 for BINARY, 2 for TERNARY, 0 for a constant."""
        return (self.levels - 1).bit_length()

    @property
    def magnitude(self) -> int:
        """The largest |code|."""
        return max(abs(self.lo), abs(self.hi))

    def __contains__(self, code: object) -> bool:
        return (
            isinstance(code, int)
            and self.lo <= code <= self.hi
            and (code - self.lo) % self.step == 0
        )

    def __str__(self) -> str:
        return f"{{{self.lo}..{self.hi}" + (f" by {self.step}" if self.step > 1 else "") + "}"


BINARY = QuantSpec(-1, 1, step=2)
TERNARY = QuantSpec(-1, 1)
INT8 = QuantSpec(-128, 127)
NARROW_INT8 = QuantSpec(-127, 127)


def odd(bits: int) -> QuantSpec:
    """The 2**bits odd integers around zero: the sums of `bits` signed powers of two."""
    n = 2**bits - 1
    return QuantSpec(-n, n, step=2)


def unsigned(bits: int) -> QuantSpec:
    return QuantSpec(0, 2**bits - 1)


def signed(bits: int) -> QuantSpec:
    """Two's complement: INT8 for 8 bits."""
    return QuantSpec(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def narrow(bits: int) -> QuantSpec:
    """Without the code that has no opposite: TERNARY for 2 bits, NARROW_INT8 for 8."""
    n = 2 ** (bits - 1) - 1
    return QuantSpec(-n, n)


class Parameters(NamedTuple):
    """What codes are worth: real = scale (q - zero_point)."""

    scale: float
    zero_point: int


class Codes(NamedTuple):
    """The codes lo..hi, and what they are worth."""

    scale: float
    zero_point: int
    lo: int = INT8.lo
    hi: int = INT8.hi

    @property
    def parameters(self) -> Parameters:
        return Parameters(self.scale, self.zero_point)
