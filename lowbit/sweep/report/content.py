"""All that a report says, gathered once and written in several forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lowbit.sweep.record import Record
from lowbit.sweep.report import panels, tables
from lowbit.sweep.report.rows import groups, rows
from lowbit.sweep.report.search import sensitivities
from lowbit.sweep.report.search import table as search_table

NOTES = (
    "accuracy: of the exported file, run by lowbit's integer runtime on the whole test set.",
    "±: the standard deviation over seeds.",
    "ms: the median of many runs after a warm-up, per image; p10 and p90 hold four fifths.",
    "torch ms: the float model in torch, as many threads, timed in turns with the exported file.",
    "Plots and means over seeds have times on one scale: each is its ratio to torch's in the same "
    "turns, times the median of torch's over all trials. The machine's drift cancels.",
    "equal: the share of test images whose outputs are torch's to the last bit; of calibrated "
    "networks (ptq), which torch does not run, the graph's definitions'.",
    "faster: torch ms divided by ms.",
)
MANY = "Times come from {} machines: compare within one."
ALONE = "While a trial was timed, the sweep's other trials on that machine waited."


@dataclass(frozen=True)
class Content:
    rows: list[dict[str, Any]]
    scatters: list[panels.Scatter]
    heat_maps: list[panels.HeatMap]
    searches: list[tables.Table]
    schemes: tables.Table
    trials: tables.Table
    layers: list[tables.Table]
    commands: tables.Table
    machines: tables.Table
    failures: list[tuple[str, str, str]]
    notes: tuple[str, ...]


def content(
    done: Mapping[str, Record], failed: Mapping[str, Record], searches: Mapping[str, Record]
) -> Content:
    found = rows(done.values())
    together = groups(found)
    scatters = panels.scatters(together) if found else []
    machines = tables.machines(done.values())
    many = (MANY.format(len(machines.rows)),) if len(machines.rows) > 1 else ()
    return Content(
        rows=found,
        scatters=scatters,
        heat_maps=[*panels.heat_maps(together), *sensitivities(searches.values())],
        searches=[search_table(record) for record in searches.values()],
        schemes=tables.schemes(together, scatters),
        trials=tables.trials(found),
        layers=[tables.layers(record) for record in first_seeds(done, found)],
        commands=tables.commands(found),
        machines=machines,
        failures=tables.failures(failed.values()),
        notes=(*NOTES, *many, ALONE),
    )


def first_seeds(done: Mapping[str, Record], found: list[dict[str, Any]]) -> list[Record]:
    """One record a scheme: layers weigh the same under every seed."""
    chosen: dict[tuple, str] = {}
    for row in found:
        chosen.setdefault((row["model"], row["scheme"], row["recipe"], row["data"]), row["key"])
    return [done[key] for key in chosen.values()]
