"""A kernel, and how one is chosen: the first of an operation's table that has no objection.

LOWBIT_KERNEL names the only rows to use where it names any of a table, by name or by a word of
it: LOWBIT_KERNEL=reference runs whole models on references.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lowbit.kernels import cpu, entry


@dataclass(frozen=True)
class Kernel:
    """One row. `run(parameters, lo, hi)` is compiled, unless the row is a reference.

    `pack` puts weights into the order in which this row reads them; `fits` says why a certain
    problem is not for it, or "". `bits` says that its tiles can threshold and pack what they
    compute, `codes` that they can requantize it; `bias(block, w, x_spec, groups)` is what it
    needs a tap and channel besides; `channelwise`, that its lanes are channels in order; `pads`,
    that it reads taps outside the image, from a row of any codes.
    """

    name: str
    run: Callable[[int, int, int], None]
    requires: frozenset[str] = frozenset()
    tile: tuple[int, ...] = ()
    pack: Callable[..., Any] | None = None
    fits: Callable[..., str] = lambda problem: ""
    reference: bool = False
    bits: bool = False
    codes: bool = False
    channelwise: bool = False
    pads: bool = False
    bias: Callable[..., Any] | None = None

    def objections(self, problem: object = None) -> list[str]:
        """Why this kernel cannot run here. Empty means that it can."""
        why = [f"needs {f}" for f in sorted(self.requires - cpu.features())]
        unfit = self.fits(problem) if problem is not None else ""
        return [*why, unfit] if unfit else why

    def callable(self) -> Callable[[int, int, int], object]:
        return self.run if self.reference else entry.compiled(self.run, self.name)

    def address(self) -> int:
        """The machine code's. A reference has none."""
        return 0 if self.reference else entry.compiled(self.run, self.name).address


def forced_rows(table: Sequence[Kernel], forced: str | None = None) -> list[Kernel]:
    """The rows that `forced`, or LOWBIT_KERNEL, names."""
    forced = os.environ.get("LOWBIT_KERNEL", "") if forced is None else forced
    return [k for k in table if forced and forced in (k.name, *k.name.split("_"))]


def choose(table: Sequence[Kernel], problem: object = None, forced: str | None = None) -> Kernel:
    """The first row that can run `problem`; of the rows named by `forced`, if any are."""
    rows = forced_rows(table, forced) or table
    for kernel in rows:
        if not kernel.objections(problem):
            return kernel
    raise LookupError("; ".join(f"{k.name}: {', '.join(k.objections(problem))}" for k in rows))


def check_forced(tables: Iterable[Sequence[Kernel]], forced: str | None = None) -> None:
    """Refuses a name that no table knows."""
    forced = os.environ.get("LOWBIT_KERNEL", "") if forced is None else forced
    names = [k.name for table in tables for k in table]
    if forced and not any(forced in (name, *name.split("_")) for name in names):
        raise LookupError(f"no kernel is called {forced!r}; there are {', '.join(names)}")
