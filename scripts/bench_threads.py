"""Several threads against one on whole networks, in turns in one process; the bytes must agree.

A turn is ten calls, one after the other: a core that slept while one thread was timed takes some
milliseconds to come back to its speed, which a stream of images does not see.

    python scripts/bench_threads.py [--network birealnet18] [--threads 2] [--json]

Networks are the zoo's, with random weights; exporting them needs torch. The ratio is the median of
those of neighbouring runs, so that the machine's drift cancels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from bench_startup import EXPORT

import lowbit
from lowbit.runtime import Network
from lowbit.timing import samples

TURN = 10  # calls
NETWORKS = ("birealnet18", "birealnet_mini")


def stream(network: Network, x: np.ndarray) -> None:
    for _ in range(TURN):
        network(x)


def measure(name: str, threads: int, rounds: int, batch: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        subprocess.run([sys.executable, "-c", EXPORT, name, str(file)], check=True)
        one, more = (lowbit.load(file, batch, threads=count) for count in (1, threads))
    (type_,) = one.graph.inputs.values()
    rng = np.random.default_rng(0)
    if type_.spec is None:
        x = rng.random((batch, *type_.shape), np.float32)
    else:
        x = rng.integers(type_.spec.lo, type_.spec.hi + 1, (batch, *type_.shape))
    first, second = one(x), more(x)
    if np.asarray(first).tobytes() != np.asarray(second).tobytes():
        raise AssertionError(f"{name}: {threads} threads compute something else")
    turns = samples({"one": lambda: stream(one, x), "more": lambda: stream(more, x)}, rounds)
    times = {name: [ms / TURN for ms in taken] for name, taken in turns.items()}
    ratios = [a / b for a, b in zip(times["one"], times["more"], strict=True)]
    return {
        "network": name,
        "batch": batch,
        "threads": threads,
        "one_ms": round(median(times["one"]), 3),
        "more_ms": round(median(times["more"]), 3),
        "ratio": round(median(ratios), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", action="append", help="a zoo name; repeatable")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    for name in given.network or NETWORKS:
        row = measure(name, given.threads, given.rounds, given.batch)
        print(json.dumps(row) if given.json else line(row), flush=True)


def line(row: dict) -> str:
    head = f"{row['network']:16} batch {row['batch']}: {row['one_ms']} ms on one thread"
    return f"{head}, {row['more_ms']} on {row['threads']}: {row['ratio']}x"


if __name__ == "__main__":
    main()
