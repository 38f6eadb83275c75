"""The compiled functions that programs are made of: a network compiles those that it needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lowbit.kernels import entry
from lowbit.kernels.entry import Code
from lowbit.kernels.program import ARGUMENTS, Op, chain, eight_bit, functions, levels


@dataclass(frozen=True)
class Pass:
    """A function of ARGUMENTS for these instructions. `joins`: it takes neighbours together."""

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
    *(Pass(name, run, ops, joins=True) for name, (ops, run) in eight_bit.RUNS.items()),
    Pass("functions", functions.run, between(Op.ABS, Op.DIV_FROM)),
)


def cut(ops: Sequence[Op]) -> Iterator[tuple[int, Pass, int]]:
    """Where each pass begins, and how many instructions it takes: the most that any pass can."""
    first = 0
    while first < len(ops):
        rest = ops[first:]
        able = [each for each in PASSES if rest[0] in each.ops]
        best = max(able, key=lambda each: taken(each, rest))
        yield first, best, taken(best, rest)
        first += taken(best, rest)


def taken(each: Pass, ops: Sequence[Op]) -> int:
    return len(list(takewhile(each.ops.__contains__, ops))) if each.joins else 1
