"""`lowbit warmup`: compiles ahead of the first inference."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lowbit.cli.output import AsJson, print_json, print_lines

Tell = Callable[[str], None]


def warmup(
    file: Annotated[
        Path | None, typer.Argument(help="An exported network; without one, for any network.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compile kernels into the cache, so that no first inference waits for it.

    With FILE only what that network needs, and which of its kernels are fastest here. Useful while
    a container image is built, on the kind of processor that will run it.
    """
    from lowbit.kernels import cache

    start, told = time.perf_counter(), list[str]()
    with progress() as bar:
        task = bar.add_task("kernels", total=None, name="")

        def tell(name: str) -> None:
            told.append(name)
            bar.update(task, completed=len(told) - 1, name=name)

        skipped = (
            for_file(file, tell) if file else for_any(tell, lambda n: bar.update(task, total=n))
        )
        bar.update(task, total=len(told), completed=len(told), name="")
    seconds, folder = time.perf_counter() - start, cache.directory()
    if as_json:
        report = {"compiled": told, "skipped": skipped, "seconds": seconds}
        print_json({**report, "folder": str(folder) if folder else None})
        return
    lines = [f"{len(told)} kernels in {seconds:.1f} s, kept in {folder or 'no folder'}"]
    print_lines(lines + [f"not for this processor: {name}" for name in skipped])


def progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    name = TextColumn("{task.fields[name]}")
    return Progress(TextColumn("{task.description}"), *columns, name, console=Console(stderr=True))


def for_file(file: Path, tell: Tell) -> list[str]:
    from lowbit import pack
    from lowbit.kernels import entry
    from lowbit.runtime import warm

    graph = pack.load(file)
    with entry.told(tell):
        warm.network(graph)
    return []


def for_any(tell: Tell, total: Callable[[int], object]) -> list[str]:
    """Returns the names of the kernels that this CPU cannot run."""
    from lowbit.runtime import warm

    jobs = list(warm.everything())
    total(len(jobs))
    for name, compile_ in jobs:
        tell(name)
        compile_()
    return [kernel.name for kernel in warm.rows()[1]]
