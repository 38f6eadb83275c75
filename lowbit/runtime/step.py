"""What a plan is made of: buffers, and steps that name them before they have an address."""

from dataclasses import dataclass, field

import numpy as np

from lowbit.kernels.layout import Layout
from lowbit.kernels.program.assemble import assemble, link
from lowbit.kernels.table import Kernel


@dataclass(eq=False)
class Buffer:
    """`size` bytes an image. The planner finds when it lives, the arena where."""

    name: str
    size: int
    layout: Layout | None = None
    first: int = 10**9
    last: int = -1
    offset: int = -1


# A number, a constant whose address is meant, or a buffer that has none yet; with bytes to add.
Place = int | np.ndarray | Buffer | tuple[Buffer, int]

MOVED = 8  # a byte of a tensor, loaded and stored, takes as long as so many of weights


@dataclass
class Step:
    """A call of a kernel for every image of a batch."""

    kernel: Kernel
    record: np.ndarray
    places: dict[str, Place]
    units: int  # of the kernel's outermost loop, an image
    program: list[dict[str, Place]] = field(default_factory=list)
    nodes: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    title: str = ""
    code: np.ndarray | None = None  # the assembled program

    def buffers(self) -> list[Buffer]:
        values = [*self.places.values(), *(v for i in self.program for v in i.values())]
        values = [v[0] if isinstance(v, tuple) else v for v in values]
        return [v for v in values if isinstance(v, Buffer)]

    def load(self) -> int:
        """About how long a unit takes, in bytes of packed weights that pass through registers."""
        weights = self.places.get("weights")
        touched = sum(b.size for b in self.buffers()) // max(1, self.units)
        return MOVED * touched + (weights.nbytes if isinstance(weights, np.ndarray) else 0)

    def settle(self, arena: int, run_program: int) -> None:
        """Writes the addresses, now that buffers have them."""

        def number(place: Place) -> int:
            if isinstance(place, np.ndarray):
                return place.ctypes.data
            if isinstance(place, Buffer):
                return arena + place.offset
            if isinstance(place, tuple):
                return number(place[0]) + place[1]
            return int(place)

        for name, place in self.places.items():
            self.record[name] = number(place)
        if self.program:
            steps = [{name: number(v) for name, v in i.items()} for i in self.program]
            self.code = assemble(steps)
            if not self.kernel.reference:
                link(self.code)
            self.record["program"] = self.code.ctypes.data
            self.record["run_program"] = run_program
