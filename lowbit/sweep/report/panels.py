"""What is drawn, before it is known with what: the page uses plotly, the files matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowbit.sweep.report.front import front
from lowbit.sweep.report.rows import Group, Mean, width

COSTS = {"bytes": "size of the exported file, bytes", "ms": "one image, ms"}


@dataclass(frozen=True, slots=True)
class Scatter:
    """Accuracy in percent against one cost; `best` are the front's points, cheapest first."""

    name: str
    title: str
    label: str
    points: tuple[Group, ...]
    best: tuple[Group, ...]
    cost: str

    def x(self, point: Group) -> Mean:
        return getattr(point, self.cost)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Accuracy in percent; None where nothing was run."""

    name: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]
    row_label: str = "weight bits"
    column_label: str = "input bits"


def scatters(groups: Sequence[Group]) -> list[Scatter]:
    """One against bytes, and one against time for every number of threads and batch size."""
    ways = sorted({(g.threads, g.batch) for g in groups})
    first = [g for g in groups if (g.threads, g.batch) == ways[0]] if groups else []
    found = [scatter(first, "bytes", "bytes", "bytes")]
    for threads, batch in ways:
        count = "one thread" if threads == 1 else f"{threads} threads"
        name = f"latency_batch{batch}" + (f"_threads{threads}" if threads > 1 else "")
        points = [g for g in groups if (g.threads, g.batch) == (threads, batch)]
        found.append(scatter(points, "ms", name, f"time, {batch} at a time, {count}"))
    return found


def scatter(points: Sequence[Group], cost: str, name: str, what: str) -> Scatter:
    best = front(points, lambda g: getattr(g, cost).value, lambda g: g.accuracy.value)
    title = f"Accuracy against {what}"
    return Scatter(name, title, COSTS[cost], tuple(points), tuple(best), cost)


def heat_maps(groups: Sequence[Group]) -> list[HeatMap]:
    """One a model: the best accuracy of any scheme and recipe with those bits."""
    models = dict.fromkeys(g.model for g in groups)
    return [
        heat_map([g for g in groups if g.model == model], f"heat_map_{i}", model)
        for i, model in enumerate(models, 1)
    ]


def heat_map(groups: Sequence[Group], name: str, model: str) -> HeatMap:
    rows = tuple(sorted({g.weight_bits for g in groups}, key=width))
    columns = tuple(sorted({g.input_bits for g in groups}, key=width))
    best: dict[tuple[str, str], float] = {}
    for g in groups:
        place = (g.weight_bits, g.input_bits)
        best[place] = max(best.get(place, 0.0), 100 * g.accuracy.value)
    cells = tuple(tuple(best.get((row, column)) for column in columns) for row in rows)
    return HeatMap(name, f"{model}: accuracy by bits", rows, columns, cells)
