"""What a report says of searches for a width a layer."""

from collections.abc import Iterable

from lowbit.sweep.names import model_name
from lowbit.sweep.record import Record
from lowbit.sweep.report.front import front
from lowbit.sweep.report.panels import HeatMap
from lowbit.sweep.report.tables import Table


def sensitivities(records: Iterable[Record]) -> list[HeatMap]:
    return [sensitivity(record, f"sensitivity_{i}") for i, record in enumerate(records, 1)]


def sensitivity(record: Record, name: str) -> HeatMap:
    """A row a layer: the accuracy with that layer alone at a width, calibrated, not trained."""
    alone, choices = record["result"]["sensitivity"], record["config"]["search"]["choices"]
    cells = tuple(tuple(100 * found[width] for width in choices) for found in alone.values())
    title = f"{model_name(record['config'])}: one layer low-bit, the others float"
    return HeatMap(name, title, tuple(alone), tuple(choices), cells, "layer", "bits")


def table(record: Record) -> Table:
    """The front of all candidates, and which were kept."""
    asked, result = record["config"]["search"], record["result"]
    points = front(result["points"], lambda p: p["cost"], lambda p: p["accuracy"])
    budget, unit = asked["budget"], asked["unit"]
    rows = [
        [
            p["scheme"],
            f"{p['accuracy']:.2%}",
            f"{p['cost']:,.4g}" if unit == "ms" else f"{p['cost']:,.0f}",
            "yes" if p["cost"] <= budget else "no",
            "trained" if p["scheme"] in result["best"] else "",
        ]
        for p in points
    ]
    title = (
        f"{model_name(record['config'])}: {len(result['points'])} candidates, budget {budget:,g} "
        f"{unit}; float {result['float']:.2%}"
    )
    headers = ("widths, layer by layer", "accuracy untrained", unit, "within", "")
    return Table(title, headers, rows)
