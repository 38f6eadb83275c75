"""Compiles ahead of the first inference: what one network needs, or all that this CPU can run."""

from collections.abc import Callable, Iterator

from lowbit.ir import Graph
from lowbit.kernels import loop
from lowbit.kernels.program import generic
from lowbit.kernels.program.passes import PASSES
from lowbit.kernels.table import Kernel
from lowbit.runtime.kernels import TABLES
from lowbit.runtime.network import Network

Job = tuple[str, Callable[[], object]]


def rows() -> tuple[list[Kernel], list[Kernel]]:
    """The kernels that this CPU can run, and the others. References need no compiler."""
    every = {k.name: k for table in TABLES.values() for k in table if not k.reference}
    able = [k for k in every.values() if not k.objections()]
    return able, [k for k in every.values() if k not in able]


def everything() -> Iterator[Job]:
    """Names, and what compiles them."""
    yield "program", generic.runner
    for each in PASSES:
        yield f"program_{each.name}", each.compiled
    yield "loop", loop.alone
    yield "loop_shared", loop.shared
    for kernel in rows()[0]:
        yield kernel.name, kernel.callable


def network(graph: Graph) -> None:
    """Also asks which of several kernels are fastest, and remembers it."""
    Network(graph)
    Network(graph, threads=2)
