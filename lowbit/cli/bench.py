"""`lowbit bench`: whole networks against other people's runtimes."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lowbit.cli.output import print_lines, print_table

if TYPE_CHECKING:
    from lowbit.bench.race import Race

app = typer.Typer(no_args_is_help=True, help="Time networks against other runtimes.")
SLOWEST = 15  # steps shown; the CSV has all
COLUMNS = ("dtype", "by", "ms", "p10", "p90", "GOPS", "bytes", "error")


@app.callback()
def bench() -> None:
    """Time networks against other runtimes."""


@app.command()
def models(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Architectures of the zoo; default: resnet18 mobilenet_v1 quicknet."),
    ] = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(help="Our exports, as `lowbit sweep --scheme` has them. Repeatable."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="For every contestant.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    rounds: Annotated[int, typer.Option(min=2, help="In each, everyone runs once.")] = 30,
    steps: Annotated[bool, typer.Option("--steps", help="Also where our time goes.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--csv", help="A folder for the results as CSV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Race one network's float32, int8 and low-bit forms, with random weights, in turns.

    Takes part: torch (eager, compiled, int8 by torchao), ONNX Runtime, OpenVINO and LiteRT where
    installed (pip install "lowbit\\[bench]"), and lowbit's exports.
    """
    import os

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    from lowbit.bench.networks import NETWORKS, entry
    from lowbit.bench.race import Race

    say = Console(stderr=True).print if sys.stderr.isatty() else lambda text: None
    rows: list[dict] = []
    races = [
        Race(entry(name, scheme or []), threads, batch, rounds) for name in networks or NETWORKS
    ]
    for race in races:
        found = race.rows(say, steps)
        rows += found
        show(race, found, as_json)
    if folder:
        print(*save(folder, rows, races, threads), sep="\n", file=sys.stderr)


def show(race: "Race", rows: list[dict], as_json: bool) -> None:
    from lowbit.bench.race import fastest

    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        head = rows[0]
        title = f"{head['op']} {head['shape']}, threads: {head['threads']}"
        print_table(COLUMNS, [cells(row) for row in rows], title)
        print_lines([fastest(rows)])
        for name, found in race.steps.items():
            slowest = sorted(found, key=lambda step: -step.ms)[:SLOWEST]
            lines = [[s.nodes, s.kernel, f"{s.ms:.4f}", f"{s.share:.1%}"] for s in slowest]
            title = f"{name}: {sum(s.ms for s in found):.3f} ms, the slowest of {len(found)} steps"
            print_table(("nodes", "kernel", "ms", "share"), lines, title)
    for name, why in race.absent.items():
        print(f"{race.entry.float}: without {name}: {why}", file=sys.stderr)


def cells(row: dict) -> list[str]:
    times = [f"{row[name]:.3f}" for name in ("median_ms", "p10_ms", "p90_ms")]
    error = "" if row["error"] is None else f"{row['error']:.2g}"
    size = f"{row['bytes']:,}" if row["bytes"] else ""
    return [row["dtype"], row["kernel"], *times, f"{row['gops']:.0f}", size, error]


def save(folder: Path, rows: list[dict], races: "list[Race]", threads: int) -> list[Path]:
    from lowbit.bench.results import provenance, step_rows, write_rows

    files = [write_rows(folder / provenance("models", threads), rows)]
    timed = [row for race in races for row in step_rows(race.steps)]
    if timed:
        files.append(write_rows(folder / provenance("steps", threads), timed))
    return files
