"""What a plan is made of: buffers, and steps that name them before they have an address."""

from dataclasses import dataclass, field

import numpy as np

from lowbit.kernels.layout import Layout
from lowbit.kernels.program.assemble import assemble
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
            self.record["program"] = self.code.ctypes.data
            self.record["run_program"] = run_program
