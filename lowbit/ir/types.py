"""What an edge of the graph carries: a shape and an alphabet, or float32."""

from dataclasses import dataclass, field

import numpy as np

from lowbit.spec import QuantSpec

INTEGERS = (np.int8, np.uint8, np.int16, np.int32)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and alphabet. The alphabet of an accumulator is the range it provably stays in.

    The shape of an activation leaves out the batch axis, which every operator carries along
    unchanged in front. Channels are last. `spec` is None for float32. A constant's type holds
    its value, so that a rule can prove a bound from the very weights.
    """

    shape: tuple[int, ...]
    spec: QuantSpec | None = None
    value: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32) if self.spec is None else storage(self.spec)

    def __str__(self) -> str:
        return f"{'float32' if self.spec is None else self.spec}[{'x'.join(map(str, self.shape))}]"


def storage(spec: QuantSpec) -> np.dtype:
    """The narrowest integer type that holds every code of `spec`."""
    for dtype in INTEGERS:
        if np.iinfo(dtype).min <= spec.lo and spec.hi <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise OverflowError(f"{spec} does not fit int32")
