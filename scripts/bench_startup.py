"""How long a fresh process takes to its first result, with an empty kernel cache and a warm one.

    python scripts/bench_startup.py [--network birealnet18] [--json] [--csv scripts/results]

Networks are the zoo's, with random weights; exporting them needs torch, running them does not.
Each figure is the median of fresh processes, each of which imports NumPy and lowbit, loads the
file and runs one image. Seconds are of the wall clock, and of the processor, which other work on
the machine disturbs less. NumPy's own import is the yardstick.
"""

import argparse
import csv
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from lowbit.timing import machine_name

NETWORKS = ("lenet5", "birealnet_mini", "birealnet18")
COLUMNS = ("network", "cache", "until", "wall_s", "cpu_s", "peak_mb", "target")
TARGETS = {("empty", "result"): "10 s", ("warm", "result"): "1 s", ("warm", "loaded"): "0.5 s"}

EXPORT = """
import sys, torch, lowbit
from lowbit import zoo
name, file = sys.argv[1:]
torch.manual_seed(0)
model, shape = zoo.create_model(name), zoo.architecture(name).input
with torch.no_grad():
    model(torch.rand(2, *shape))  # steps and statistics that are learnt from data
lowbit.export(model.eval(), torch.randint(0, 256, (2, *shape)) / 255).save(file)
"""

START = """
import json, resource, sys, time
from pathlib import Path
begin = float(sys.argv[2])
def point():
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    size = int(peak[0].split()[1]) / 1024 if peak else (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    return {"wall_s": time.time() - begin, "cpu_s": time.process_time(), "peak_mb": size}
import numpy as np
points = {"numpy imported": point()}
import lowbit
network = lowbit.load(sys.argv[1])
points["loaded"] = point()
network(*(np.zeros((1, *t.shape), t.dtype) for t in network.graph.inputs.values()))
points["result"] = point()
print(json.dumps(points))
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},  # as installed
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def start(file: Path, cache: Path) -> dict[str, dict[str, float]]:
    code = f"import time, os, sys; os.execv(sys.executable, [sys.executable, '-c', {START!r}, "
    code += f"{str(file)!r}, str(time.time())])"
    return json.loads(python(code, LOWBIT_CACHE=str(cache)))


def middle(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        until: {name: round(median(run[until][name] for run in runs), 3) for name in runs[0][until]}
        for until in runs[0]
    }


def measure(network: str, cold: int, warm: int):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        python(EXPORT, network, str(file))
        empty = [start(file, Path(folder) / f"cache{i}") for i in range(cold)]
        start(file, Path(folder) / "cache0")
        filled = [start(file, Path(folder) / "cache0") for _ in range(warm)]
    for cache, points in (("empty", middle(empty)), ("warm", middle(filled))):
        for until, figures in points.items():
            head = {"network": network, "cache": cache, "until": until}
            yield {**head, **figures, "target": TARGETS.get((cache, until), "")}


def line(row: dict) -> str:
    head = f"{row['network']:16} {row['cache']:6} {row['until']:15}"
    times = f"{row['wall_s']:8.2f} s {row['cpu_s']:8.2f} s of CPU {row['peak_mb']:7.0f} MB"
    return f"{head} {times}   {row['target'] and 'target ' + row['target']}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", action="append", help="a zoo name; repeatable")
    parser.add_argument("--cold", type=int, default=1, help="processes with an empty cache")
    parser.add_argument("--warm", type=int, default=5, help="processes with a warm one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--csv", type=Path, help="a folder for the CSV file")
    given = parser.parse_args()
    rows = []
    for network in given.network or NETWORKS:
        for row in measure(network, given.cold, given.warm):
            rows.append(row)
            print(json.dumps(row) if given.json else line(row), flush=True)
    if given.csv:
        print(write(given.csv, rows))


def write(folder: Path, rows: list[dict]) -> Path:
    path = folder / f"startup_{machine_name()}_{datetime.date.today()}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    main()
