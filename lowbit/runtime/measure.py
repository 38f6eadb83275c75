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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lowbit.kernels import cache
from lowbit.kernels.problem import ENDLESS, Problem
from lowbit.kernels.program import Op, generic
from lowbit.kernels.program.assemble import assemble, link
from lowbit.kernels.table import Kernel, choose, forced_rows

FILE, ROUNDS, WORTH = "choices.json", 5, 2**22
HOPELESS = 4  # times the best in two rounds, and a row is not timed again
CLOSE, MOST = 1.1, 30  # within so much of the best, a row is timed longer; rounds in all
ALONE = 0.9  # of the wall clock's time spent on the processor: nobody else had it meanwhile

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
        times, sure = measured(rows, problem, w, units)
        if sure:
            remember(key, times)
        else:  # a busy machine's word is good for this process alone
            IN_MEMORY[key] = times
    return min(rows, key=lambda k: times[k.name]), times


def measured(
    rows: Sequence[Kernel], problem: Problem, w: np.ndarray, units: int
) -> tuple[Times, bool]:
    """The rows' times, and whether the machine was quiet enough to trust them."""
    pixels = units if problem.sides[1] == ENDLESS else problem.sides[0] * problem.sides[1]
    size = problem.pixel_bytes()
    x, zero = room(pixels * size), lined(problem.outside())
    out = room(4 * units * problem.outs)
    store = {"op": Op.STORE_WORD, "at": out.ctypes.data, "row": 4 * problem.outs}
    program, runner = link(assemble([store])), generic.runner().address
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
    return race({name: partial(run, at, 0, units) for name, (run, at) in runs.items()})


def race(runs: Mapping[str, Callable[[], object]]) -> tuple[Times, bool]:
    """In turns, the least of several rounds each; more of them for those that are close, or were
    interrupted. True if each was left alone in as many rounds as it needed."""
    best: Times = {}
    quiet = dict.fromkeys(runs, 0)
    for turn in range(MOST):
        for name in [name for name in runs if wanting(name, best, quiet, turn)]:
            taken, alone = timed(runs[name])
            best[name] = min(taken, best.get(name, taken))
            quiet[name] += alone
    return best, not any(wanting(name, best, quiet, MOST) for name in runs)


def wanting(name: str, best: Times, quiet: Mapping[str, int], turn: int) -> bool:
    """Whether a row is to be timed once more."""
    if turn == 0:
        return True
    fastest = min(best.values())
    if quiet[name] >= 2 and best[name] > HOPELESS * fastest:
        return False
    close = sum(taken < CLOSE * fastest for taken in best.values()) > 1
    return quiet[name] < (3 * ROUNDS if close and best[name] < CLOSE * fastest else ROUNDS)


def timed(run: Callable[[], object]) -> tuple[float, bool]:
    """Milliseconds, and whether this thread had the processor all the while."""
    start, own = time.perf_counter(), time.thread_time()
    run()
    taken, own = time.perf_counter() - start, time.thread_time() - own
    return 1000 * taken, own >= ALONE * taken


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
    """All answers: this process's own, and those on disk before them."""
    return IN_MEMORY | stored(cache.directory())


def stored(folder: Path | None) -> dict[str, Times]:
    """None if the file is missing or damaged."""
    try:
        found = json.loads((folder / FILE).read_text()) if folder else {}
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
            json.dump(stored(folder) | {key: times}, file)
        os.replace(file.name, folder / FILE)
    except OSError:
        IN_MEMORY[key] = times
