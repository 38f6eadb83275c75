"""Which of several bit-exact kernels is fastest here: asked once a shape, remembered on disk.

Rows that need the same instruction sets compete, or one what another needs and more; a row for any
CPU is not timed where a better one runs. The answers lie beside the compiled kernels, so that a
new CPU, or a change of any kernel, asks anew. What is too small to matter is not timed: the first
row gets it.
"""

import json
import os
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from lowbit.kernels import cache, entry
from lowbit.kernels import program as programs
from lowbit.kernels.problem import ENDLESS, Problem
from lowbit.kernels.program import Op, generic
from lowbit.kernels.program.assemble import assemble
from lowbit.kernels.table import Kernel, choose, forced_rows

FILE, ROUNDS, WORTH = "choices.json", 5, 2**22
HOPELESS = 4  # times the best of the first round, and a row is not timed again

Times = dict[str, float]  # milliseconds, by the kernel's name


def rivals(table: Sequence[Kernel], problem: Problem, forced: str | None) -> list[Kernel]:
    first = choose(table, problem, forced)
    if forced_rows(table, forced) or first.reference or problem.depthwise:
        return [first]
    able = [k for k in table if comparable(k, first) and not k.reference]
    return [k for k in able if not k.objections(problem)]


def comparable(one: Kernel, other: Kernel) -> bool:
    """Whether one needs all that the other does, or the reverse, and neither is for any CPU."""
    a, b = one.requires, other.requires
    return a == b or (bool(a) and bool(b) and (a <= b or b <= a))


def fastest(
    table: Sequence[Kernel], problem: Problem, w: np.ndarray, units: int, forced: str | None = None
) -> tuple[Kernel, Times]:
    """The kernel to use, and the times of all that were asked, if any were."""
    rows = rivals(table, problem, forced)
    if len(rows) == 1 or units * w.size < WORTH:
        return rows[0], {}
    key = f"{[k.name for k in rows]} {units} {problem}"
    times = remembered().get(key)
    if times is None or set(times) != {k.name for k in rows}:
        times = measured(rows, problem, w, units)
        remember(key, times)
    return min(rows, key=lambda k: times[k.name]), times


def measured(rows: Sequence[Kernel], problem: Problem, w: np.ndarray, units: int) -> Times:
    pixels = units if problem.sides[1] == ENDLESS else problem.sides[0] * problem.sides[1]
    size = problem.pixel_bytes()
    x, zero = room(pixels * size), lined(problem.zeros())
    out = room(4 * units * problem.outs)
    program = assemble([{"op": Op.STORE_WORD, "at": out.ctypes.data, "row": 4 * problem.outs}])
    runner = entry.compiled(generic.run, "program", programs.ARGUMENTS).address
    held, runs = [], {}
    for kernel in rows:
        assert kernel.pack is not None
        named = {"weights": lined(kernel.pack(w, problem.w_spec, problem.groups))}
        if kernel.bias:
            named["bias"] = lined(kernel.bias(kernel.tile[1], w, problem.x_spec, problem.groups))
        named |= {"x": x, "zero": zero, "program": program}
        places = {name: value.ctypes.data for name, value in named.items()}
        record = problem.record(block=kernel.tile[1], run_program=runner, **places)
        held.append((named, record))
        runs[kernel.name] = (kernel.callable(), record.ctypes.data)
    best: Times = {}
    for _ in range(ROUNDS):
        for name, (run, at) in runs.items():
            if best.get(name, 0) > HOPELESS * min(best.values(), default=0):
                continue
            start = time.perf_counter()
            run(at, 0, units)
            taken = 1000 * (time.perf_counter() - start)
            best[name] = min(taken, best.get(name, taken))
    return best


def room(size: int) -> np.ndarray:
    return np.zeros(size + 256, np.uint8)


def lined(values: np.ndarray) -> np.ndarray:
    """A copy at a cache line, with slack for the last vector."""
    raw = room(values.nbytes)
    start = -raw.ctypes.data % 64
    out = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    out[:] = values
    return out


def remembered() -> dict[str, Times]:
    """All answers; none if the file is missing or damaged."""
    folder = cache.directory()
    try:
        found = json.loads((folder / FILE).read_text()) if folder else IN_MEMORY
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


IN_MEMORY: dict[str, Times] = {}


def remember(key: str, times: Times) -> None:
    """Two processes may lose each other's answer, which only costs another measurement."""
    folder = cache.directory()
    if folder is None:
        IN_MEMORY[key] = times
        return
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            json.dump(remembered() | {key: times}, file)
        os.replace(file.name, folder / FILE)
    except OSError:
        IN_MEMORY[key] = times
