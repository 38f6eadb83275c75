"""`lowbit sweep`: options to a grid, a grid to a store, a store to a report."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lowbit.cli.output import AsJson, print_json, print_lines

if TYPE_CHECKING:
    from lowbit.sweep import Grid, Grids, Recipe, Swept

Text = list[str] | None
DEVICES = ("cpu", "auto", "cuda")


def sweep(
    quick: Annotated[
        bool, typer.Option("--quick", help="17 schemes, 2 seeds, a small network: about 12 min.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Every width, 3 seeds, a small VGG: 198 epochs, a night."),
    ] = False,
    scheme: Annotated[
        Text,
        typer.Option(help="w2a4, wta1 (ternary), lsq-w4a4, WEIGHT/INPUT, float. Repeatable."),
    ] = None,
    model: Annotated[
        Text, typer.Option(help="A zoo name or module:factory, with (name=literal). Repeatable.")
    ] = None,
    recipe: Annotated[
        Text, typer.Option(help='JSON: {"epochs": 5, "lr": 0.001}. Repeatable.')
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable.")] = None,
    data: Annotated[
        str | None, typer.Option(help="fashion_mnist, fashion_mnist_subset, or a file .npz.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Batch sizes to time: 1,16.")] = None,
    threads: Annotated[str | None, typer.Option(help="Thread counts to time: 1,2.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Runs a timing is of.")] = None,
    store: Annotated[
        Path, typer.Option(help="Where results are kept. What is there is not run again.")
    ] = Path("lowbit-sweep"),
    executor: Annotated[str, typer.Option(help="processes, inline or ray.")] = "processes",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time; default: one a core.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="If a trial's process is killed.")] = 3,
    device: Annotated[
        str, typer.Option(help="What trains: cpu, or auto for a graphics card if there is one.")
    ] = "cpu",
    untimed: Annotated[
        bool,
        typer.Option("--untimed", help="Train here, and time elsewhere or later, by --time-again."),
    ] = False,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster, for --executor ray.")] = (
        None
    ),
    report: Annotated[Path | None, typer.Option(help="Its folder; default: STORE/report.")] = None,
    only_report: Annotated[
        bool, typer.Option("--only-report", help="Run nothing: report all that the store holds.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--time-again", help="Run nothing: measure the times of all that the store holds anew."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train at many bit-widths; report accuracy against bytes and measured time.

    Stop it with Ctrl-C at any time: the same command goes on. Results of several machines are
    merged by copying their stores together. Exits with status 1 if a trial failed.
    """
    console = Console(stderr=True)
    if only_report or again:
        swept = stored(store, again, console)
    else:
        axes = {"schemes": scheme, "models": model, "recipes": recipes(recipe), "seeds": seed}
        timing = {"batches": numbers(batch), "threads": numbers(threads), "rounds": rounds}
        grid = chosen(preset(quick, full), {**axes, **timing, "data": data})
        how = settings(executor, workers, retries, address, device, not untimed)
        swept = run(grid, store, how, console)
    finish(swept, store, report or store / "report", as_json)


def preset(quick: bool, full: bool) -> str:
    if quick and full:
        raise typer.BadParameter("--quick or --full, not both")
    return "quick" if quick else "full" if full else ""


def chosen(name: str, given: dict[str, Any]) -> "Grid | Grids":
    """A preset with what was given put in its place, or a grid of what was given."""
    from lowbit.sweep import Grid
    from lowbit.sweep.presets import PRESETS

    given = {key: value for key, value in given.items() if value}
    if not name and "schemes" not in given:
        raise typer.BadParameter("give --quick, --full, or at least one --scheme")
    return PRESETS[name]().changed(**given) if name else Grid(**given)


def recipes(texts: Text) -> "list[Recipe]":
    from lowbit.sweep.recipe import recipe

    found = []
    for text in texts or ():
        try:
            given = json.loads(text)
        except ValueError as error:
            raise typer.BadParameter(f"--recipe is JSON: {text!r}: {error}") from None
        if not isinstance(given, dict):
            raise typer.BadParameter(f"--recipe is a JSON object, not {text!r}")
        found.append(recipe(given))
    return found


def numbers(text: str | None) -> list[int]:
    try:
        found = [int(part) for part in (text or "").split(",") if part]
    except ValueError:
        raise typer.BadParameter(f"numbers and commas, such as 1,16, not {text!r}") from None
    if any(number < 1 for number in found):
        raise typer.BadParameter(f"numbers are at least 1: {text!r}")
    return found


def settings(
    executor: str,
    workers: int | None,
    retries: int = 3,
    address: str | None = None,
    device: str = "cpu",
    timed: bool = True,
):
    from lowbit.sweep import Settings
    from lowbit.sweep.executors import EXECUTORS

    if executor not in EXECUTORS:
        raise typer.BadParameter(f"--executor is one of {', '.join(EXECUTORS)}, not {executor!r}")
    if device not in DEVICES:
        raise typer.BadParameter(f"--device is one of {', '.join(DEVICES)}, not {device!r}")
    return Settings(executor, workers or os.cpu_count() or 1, retries, address, device, timed)


def run(grid: "Grid | Grids", store: Path, settings, console: Console) -> "Swept":
    from lowbit.sweep import Store, run_sweep

    try:
        return run_sweep(grid, store, settings, console)
    except KeyboardInterrupt:
        count = len(Store(store).finished())
        console.print(f"stopped; {count} trials are in {store}: the same command goes on")
        raise


def stored(folder: Path, again: bool, console: Console) -> "Swept":
    from lowbit.sweep import Store, Swept

    kept = Store(folder)
    if not kept.finished():
        raise ValueError(f"{folder}: no finished trials there")
    if again:
        from lowbit.sweep.again import time_again

        time_again(kept, console)
    done = kept.finished()
    return Swept(done, kept.failed(), len(done), kept.searches())


def finish(swept: "Swept", store: Path, report: Path, as_json: bool) -> None:
    late = swept.untimed
    page = swept.write_report(report) if swept.done and not late else None
    failed = {key: record["error"] for key, record in swept.failed.items()}
    counts = {"done": len(swept.done), "skipped": swept.skipped, "untimed": late, "failed": failed}
    if as_json:
        from lowbit.sweep.report.rows import rows

        where = {"store": str(store), "report": str(page) if page else None}
        print_json({**counts, **where, "trials": rows(swept.done.values())})
    else:
        head = (
            f"{len(swept.done)} trials ({swept.skipped} were there already), {len(failed)} failed"
        )
        ends = [f"failed: {error}" for error in failed.values()]
        if late:
            ends.append(f"{late} to be timed: lowbit sweep --time-again --store {store}")
        print_lines([head, *ends, *([f"report: {page}"] if page else [])])
    if failed:
        raise typer.Exit(1)
