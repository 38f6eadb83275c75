"""Times single steps against the machine's ceilings and against other libraries, in one process.

    python scripts/bench_kernels.py [--only conv] [--json] [--csv scripts/results]

A round runs every contestant of a case once: ours, the peers, and the ceiling that bounds it, so
that all see the same machine. Medians are quoted, one thread. A step's input and output lie as
they do inside a network: packed bits for signs, bytes for 8-bit codes. Ceilings are measured from
registers alone (xor, popcount and add; vpdpbusd), the best run counting, or, for a single row, by
reading as many bytes as the packed weights take. Binary convolutions are timed once more in a
process that is told of no more than AVX2. The last table holds the targets against what was
reached.

`--clock cpu` counts the process's own CPU time: on a busy machine waiting for a turn is then no
part of it.
"""

import argparse
import csv
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from bench_cases import Case, cases, graph
from bench_peers import PEERS, amx_is_off, torch_float
from bench_verdicts import verdicts

from lowbit.kernels import ceiling, cpu, entry
from lowbit.runtime import Network
from lowbit.runtime.step import Step
from lowbit.timing import machine_name, samples

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+popcnt,+fma,+bmi,+bmi2,+sse4.2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
LEAST, MOST = 7, 101  # rounds


def ours(case: Case, rng: np.random.Generator) -> tuple[Step, Callable[[], None], Network]:
    network = Network(graph(case, rng))
    step = next(s for s in network.plan.steps if "y" in s.nodes)
    run, at = step.kernel.callable(), step.record.ctypes.data
    return step, lambda: run(at, 0, step.units), network


def roof(case: Case) -> tuple[str, Callable[[], None], float]:
    """The ceiling's name, a run of it, and its billions of operations."""
    if case.rows == 1:
        memory = np.ones(max(1 << 12, int(case.weight_bytes)), np.uint8)
        run = entry.compiled(ceiling.read, "ceiling_read")
        at, size = memory.ctypes.data, len(memory) // 512 * 512
        return "read", lambda: (run(at, 0, size), memory)[0], case.gop
    counting = case.dtype == "w1a1"
    name, code, each = ("counts", ceiling.counts, 512) if counting else ceiling.products()
    run, rounds = entry.compiled(code, f"ceiling_{name}"), 100_000
    memory, work = np.zeros(64, np.uint8), 2e-9 * ceiling.CHAINS * each * rounds
    return name, lambda: (run(memory.ctypes.data, 0, rounds), memory)[0], work


def measure(case: Case, peers: dict, seconds: float, clock: Callable[[], float]) -> Iterator[dict]:
    step, run, network = ours(case, np.random.default_rng(0))
    name, top, work = roof(case)
    made = {peer: make(case) for peer, make in peers.items()}
    contestants = {"": run, name: top} | {peer: run for peer, run in made.items() if run}
    once = samples(contestants, 1, clock=clock)
    rounds = int(1000 * seconds / sum(times[0] for times in once.values()))
    taken = samples(contestants, min(MOST, max(LEAST, rounds)), warm=1, clock=clock)
    middle = {contestant: float(np.median(times)) for contestant, times in taken.items()}
    del middle[name]
    best = taken[name] if name != "read" else [float(np.median(taken[name]))]
    top_gops = work / min(best) * 1e3
    for contestant, milliseconds in middle.items():
        yield {
            "op": case.op,
            "shape": case.shape,
            "dtype": contestant.split("-")[-1] if contestant else label(case),
            "kernel": contestant or step.kernel.name,
            "threads": 1,
            "median_ms": round(milliseconds, 5),
            "gops": round(case.gop / milliseconds * 1e3, 1),
            "ceiling_gops": round(top_gops, 1),
            "peer": contestant or None,
        }
    del network


def label(case: Case) -> str:
    return case.dtype + ("" if "avx512f" in cpu.features() else "-avx2")


def on_avx2(arguments: argparse.Namespace) -> Iterator[dict]:
    """Ours and torch's float32, in a process of their own."""
    command = [sys.executable, __file__, "--only", "conv w1a1", "--json", "--lesser"]
    command += ["--seconds", str(arguments.seconds), "--clock", arguments.clock]
    done = subprocess.run(command, env={**os.environ, **AVX2}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"on AVX2 alone: {done.stderr[-500:]}")
    for text in done.stdout.splitlines():
        yield json.loads(text)


def measured(arguments: argparse.Namespace) -> Iterator[dict]:
    peers = {} if arguments.alone else PEERS
    peers = {"torch-fp32": torch_float} if arguments.lesser else peers
    if peers is PEERS and amx_is_off():
        print("without LiteRT: nothing switches AMX off in it", file=sys.stderr)
    for case in cases():
        if arguments.only in f"{case.op} {case.dtype} {case.shape}":
            yield from measure(case, peers, arguments.seconds, CLOCKS[arguments.clock])
    wanted = arguments.only in "conv w1a1-avx2" and not (arguments.alone or arguments.lesser)
    if wanted and "avx512f" in cpu.features():
        yield from on_avx2(arguments)


def line(row: dict) -> str:
    share = "" if row["peer"] else f"{row['gops'] / row['ceiling_gops']:6.0%} of the ceiling"
    head = f"{row['op']:10} {row['shape']:26} {row['dtype']:10} {row['kernel']:30}"
    return f"{head} {row['median_ms']:9.3f} ms {row['gops']:8.0f} GOPS {share}".rstrip()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--seconds", type=float, default=1.0, help="for the rounds of a case")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--alone", action="store_true", help="no other libraries")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--csv", type=Path, help="a folder for the CSV file")
    parser.add_argument("--lesser", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments, rows = options(), []
    for row in measured(arguments):
        rows.append(row)
        print(json.dumps(row) if arguments.json else line(row), flush=True)
    if not arguments.json:
        print()
        for target, wanted, reached, met in (v.line() for v in verdicts(rows)):
            print(f"{target:64} {wanted:>10} {reached:>8}  {met}")
    if arguments.csv and rows:
        print(write(arguments.csv, rows), file=sys.stderr)


def write(folder: Path, rows: list[dict]) -> Path:
    """What was measured, with machine and day in the file's name."""
    path = folder / f"kernels_{machine_name()}_{datetime.date.today()}_1-thread.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    main()
