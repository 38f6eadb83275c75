"""Results as files whose name is their provenance: what, on which CPU, when, of which commit."""

import csv
import datetime
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import lowbit
from lowbit.atomic import replacing
from lowbit.bench.steps import StepTime
from lowbit.timing import machine_name


def provenance(what: str, threads: int) -> str:
    day = datetime.date.today()
    count = f"{threads}-thread{'s' if threads > 1 else ''}"
    return f"{what}_{machine_name()}_{day}_{commit()}_{count}.csv"


def commit() -> str:
    """Of the checkout that this is, or the version of lowbit."""
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return f"v{lowbit.__version__}"
    return ran.stdout.strip()


def write_rows(path: Path, rows: Sequence[Mapping]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def step_rows(steps: Mapping[str, Sequence[StepTime]]) -> list[dict]:
    return [{"network": name, **asdict(step)} for name, found in steps.items() for step in found]
