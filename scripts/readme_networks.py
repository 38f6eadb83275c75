"""The README's tables of whole networks: the race of `lowbit bench models`, and stored sweeps.

models_*.csv    python scripts/bench_models.py --csv scripts/results
sweep_*.csv     the trials.csv of a sweep's report
"""

import csv
import json
from collections.abc import Iterator
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Any

from readme_markdown import over_seeds, titled

from lowbit.sweep.presets import PRESETS
from lowbit.sweep.recipe import Recipe, recipe
from lowbit.sweep.report import svg
from lowbit.sweep.report.panels import scatters
from lowbit.sweep.report.rows import groups, steadied

Row = dict[str, str]
Trial = dict[str, Any]  # a row with its numbers as numbers
Lines = list[list[str]]
DRAWN = {"bytes": "Accuracy against bytes", "latency_batch1": "Accuracy against time"}
FLOATS = ("accuracy", "equal", "bytes", "ms", "torch_ms")
TYPES: dict[str, type] = dict.fromkeys(FLOATS, float) | {"threads": int, "batch": int}
SWEEPS = {"quick": "`lowbit sweep --quick`", "full": "`lowbit sweep --full`"}


def races(folder: Path) -> Iterator[str]:
    """The newest of each machine and number of threads."""
    found = sorted(folder.glob("models_*.csv"), key=lambda path: path.stem.split("_")[2])
    for path in {machine_and_threads(path): path for path in found}.values():
        yield from (titled(*race) for race in models(path))


def machine_and_threads(path: Path) -> tuple[str, str]:
    _, machine, *_, threads = path.stem.split("_")
    return machine, threads


def models(path: Path) -> Iterator[tuple[str, list[str], Lines]]:
    """Title, head and lines of each network's race, the fastest first."""
    _, machine, day, commit, threads = path.stem.split("_")
    races: dict[str, list[Row]] = {}
    for row in read(path):
        races.setdefault(row["op"], []).append(row)
    for name, rows in races.items():
        eager = next(float(r["median_ms"]) for r in rows if r["peer"] == "torch eager")
        title = (
            f"{name}, {rows[0]['shape']} (`lowbit bench models`), {threads} of {machine}, {day}, "
            f"commit {commit}: medians, all in turns in one process. Random weights; p10 and p90 "
            "hold four fifths of the runs."
        )
        head = ["by", "values", "ms", "p10 to p90", "faster than torch eager", "file, bytes"]
        yield title, head, [contestant(row, eager) for row in rows]


def contestant(row: Row, eager: float) -> list[str]:
    time, size = float(row["median_ms"]), int(row["bytes"])
    spread = f"{float(row['p10_ms']):.2f} to {float(row['p90_ms']):.2f}"
    who = row["peer"] or "**lowbit**"
    return [
        who,
        row["dtype"],
        f"{time:.2f}",
        spread,
        f"{eager / time:.1f}x",
        f"{size:,}" if size else "",
    ]


def sweeps(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("sweep_*.csv")):
        yield pictures(path)
        yield titled(*sweep(path))


def pictures(path: Path) -> str:
    return "\n".join(
        f"![{what}](scripts/results/{path.stem}_{name}.svg)" for name, what in DRAWN.items()
    )


def drawn(folder: Path) -> None:
    """Draws every sweep as its report does."""
    for path in folder.glob("sweep_*.csv"):
        panels = {panel.name: panel for panel in scatters(groups(map(typed, read(path))))}
        for name in DRAWN:
            (folder / f"{path.stem}_{name}.svg").write_text(svg.scatter(panels[name]))


def typed(row: Row) -> Trial:
    return {name: TYPES.get(name, str)(value) for name, value in row.items()}


def sweep(path: Path) -> tuple[str, list[str], Lines]:
    """A line a scheme and recipe, over seeds, one image at a time on one thread. A sweep that is
    under way is a table, too, and says how far it is."""
    every = steadied(map(typed, read(path)))
    rows = [row for row in every if (row["threads"], row["batch"]) == (1, 1)]
    together: dict[tuple[str, str], list[Trial]] = {}
    for row in rows:
        together.setdefault((row["scheme"], row["recipe"]), []).append(row)
    recipes = {text: recipe(json.loads(text)) for _, text in together}
    differs = differing([*recipes.values()])
    shared = {k: v for k, v in next(iter(recipes.values())).changes().items() if k not in differs}
    title = (
        f"{progress(path, len(rows))}: {rows[0]['model']} on {rows[0]['data']}, trained on "
        f"{either(rows, 'trained_on')}{said(shared, ', all with ')}; times of one thread of "
        f"{either(rows, 'cpu')}, one image at a time; mean and standard deviation over seeds. "
        f"Torch runs the float network in the same turns, and the machine's drift is taken out by "
        f"it.{quiet(rows)} `equal` is the share of "
        "test images whose outputs are torch's own to the last bit (for ptq, the graph's "
        "definitions')."
    )
    columns = ["scheme", "recipe", "seeds", "accuracy, %", "bytes", "ms", "faster than torch"]
    own = {text: said({k: getattr(r, k) for k in differs}) for text, r in recipes.items()}
    lines = [group(scheme, own[text], found) for (scheme, text), found in together.items()]
    return title, [*columns, "equal"], lines


def either(rows: list[Trial], column: str) -> str:
    return " or ".join(dict.fromkeys(row[column] for row in rows))


def differing(recipes: list[Recipe]) -> list[str]:
    """The settings that are not the same in all of them."""
    first = recipes[0].to_json()
    return [k for k, v in first.items() if any(r.to_json()[k] != v for r in recipes)]


def said(settings: dict[str, object], before: str = "") -> str:
    """In words, if there is anything to say."""
    text = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{before}{text}" if text else ""


def progress(path: Path, count: int) -> str:
    name = path.stem.removeprefix("sweep_")
    axes = [(p.schemes, p.recipes, p.models, p.seeds) for p in PRESETS[name]().parts]
    whole = sum(prod(map(len, part)) for part in axes)
    return SWEEPS[name] + ("" if count == whole else f", {count} of {whole} trials")


def quiet(rows: list[Trial]) -> str:
    return "" if all(map(alone, rows)) else " Times are left out where the machine had other work."


def alone(row: Trial) -> bool:
    """No more processes ran than there are cores, and the one that looked."""
    return float(row["load"]) <= int(row["cores"]) + 1


def group(scheme: str, how: str, rows: list[Trial]) -> list[str]:
    accuracies = [100 * row["accuracy"] for row in rows]
    times = ["", ""]
    if timed := [row for row in rows if alone(row)]:
        ours, torchs = (fmean(row[name] for row in timed) for name in ("ms", "torch_ms"))
        times = [f"{ours:.3f}", f"{torchs / ours:.1f}x"]
    size = fmean(row["bytes"] for row in rows)
    equal = min(row["equal"] for row in rows)
    return [
        scheme,
        how,
        str(len(rows)),
        over_seeds(accuracies),
        f"{size:,.0f}",
        *times,
        f"{100 * equal:.2f} %",
    ]


def read(path: Path) -> list[Row]:
    return list(csv.DictReader(path.read_text().splitlines()))
