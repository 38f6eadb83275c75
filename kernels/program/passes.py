"""The compiled functions that programs are made of: a network compiles those that it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from lowbit.kernels import entry
from lowbit.kernels.entry import Code
from lowbit.kernels.program import ARGUMENTS, Op, chain, eight_bit, functions, levels


@dataclass(frozen=True)
class Pass:
    """A function of ARGUMENTS for these instructions. `joins`: it takes all neighbours at once."""

    name: str
    run: Callable
    ops: frozenset[Op]
    joins: bool = False

    def compiled(self) -> Code:
        return entry.compiled(self.run, f"program_{self.name}", ARGUMENTS)


def between(first: Op, last: Op) -> frozenset[Op]:
    return frozenset(op for op in Op if first <= op <= last)


SEARCHES = between(Op.SEARCH_INT, Op.LOOKUP)
PASSES = (
    Pass("chain", chain.run, between(Op.LOAD_WORD, Op.STORE_PLANES) - SEARCHES, joins=True),
    Pass("levels", levels.run, SEARCHES | between(Op.STEPS_INT, Op.NEAR_FLOAT)),
    *(Pass(op.name.lower(), run, frozenset({op})) for op, run in eight_bit.RUNS.items()),
    Pass("functions", functions.run, between(Op.ABS, Op.DIV_FROM)),
)
PASS_OF = {op: each for each in PASSES for op in each.ops}
