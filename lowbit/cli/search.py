"""`lowbit search`: a width for every layer under a budget, the best of which are then trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from lowbit.cli.output import AsJson, print_table
from lowbit.cli.sweep import finish, recipes, run, settings


def search(
    model: Annotated[str, typer.Argument(help="A zoo name or module:factory.")],
    max_bytes: Annotated[float | None, typer.Option(help="Budget: bytes of the file.")] = None,
    max_ms: Annotated[float | None, typer.Option(help="Budget: ms an image, one thread.")] = None,
    widths: Annotated[str, typer.Option(help="To choose from: 2, 3, 4, 8, f (float).")] = "2,4,8",
    data: Annotated[str, typer.Option(help="As for lowbit sweep.")] = "fashion_mnist",
    recipe: Annotated[
        str, typer.Option(help="JSON: float_epochs are for the search, epochs for the best.")
    ] = '{"float_epochs": 3, "epochs": 2}',
    trials: Annotated[int, typer.Option(min=4, help="Candidates to try.")] = 150,
    keep: Annotated[int, typer.Option(min=1, help="How many of the front to train.")] = 3,
    seed: Annotated[list[int] | None, typer.Option(help="Of the training. Repeatable.")] = None,
    store: Annotated[Path, typer.Option(help="As for lowbit sweep.")] = Path("lowbit-sweep"),
    workers: Annotated[int | None, typer.Option(min=1)] = None,
    executor: Annotated[str, typer.Option(help="processes, inline or ray.")] = "processes",
    as_json: AsJson = False,
) -> None:
    """Find a width for every layer (mixed precision) and train the best, as a sweep does.

    One float network is trained, each layer's sensitivity measured, kernels timed at each width.
    NSGA-II (the extra: lowbit\\[search]) then searches accuracy against the budget, and begins with
    what sensitivity alone would choose.
    """
    import dataclasses

    from lowbit.search.run import Search
    from lowbit.search.run import search as found
    from lowbit.sweep import Grid, Store

    if (max_bytes is None) == (max_ms is None):
        raise typer.BadParameter("give either --max-bytes or --max-ms")
    (how,) = recipes([recipe])
    if not (how.float_epochs and how.epochs):
        raise typer.BadParameter("the recipe has float_epochs and epochs, both at least 1")
    unit, budget = ("ms", max_ms) if max_bytes is None else ("bytes", max_bytes)
    assert budget is not None
    floats = dataclasses.replace(how, float_epochs=0, epochs=how.float_epochs)
    choices = tuple(widths.split(","))
    wanted = Search(model, budget, unit, choices, data, floats, trials, keep)
    console, kept = Console(stderr=True), Store(store)
    with kept.locked(), Progress(console=console) as shown:
        bar = shown.add_task("searching", total=1.0)

        def say(share: float, what: str) -> None:
            shown.update(bar, completed=share, description=what)

        record = found(wanted, kept, say)
    result = record["result"]
    if not as_json:
        show(result, choices, unit)
    uniform = [".".join([width] * len(result["layers"])) for width in choices]
    schemes = [*result["best"], *(f"mixed/{text}" for text in uniform)]
    grid = Grid(list(dict.fromkeys(schemes)), [model], [how], seed or [0], data)
    swept = run(grid, store, settings(executor, workers), console)
    finish(swept, store, store / "report", as_json)


def show(result: dict[str, Any], choices: Sequence[str], unit: str) -> None:
    """What the search went by: each layer's accuracy alone at a width, and its cost there."""
    shares = result["costs"][unit]["shares"]
    form = "{:.4f}" if unit == "ms" else "{:,.0f}"
    rows = [
        [
            layer,
            *(f"{alone[width]:.2%}" for width in choices),
            *(form.format(shares[width][layer]) for width in choices),
        ]
        for layer, alone in result["sensitivity"].items()
    ]
    bits = [f"{width} bits" for width in choices]
    title = f"one layer low-bit, float {result['float']:.2%}; and its {unit}"
    print_table(("layer", *bits, *(f"{unit}, {width}" for width in choices)), rows, title)
