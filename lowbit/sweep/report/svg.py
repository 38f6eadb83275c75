"""The plots as SVG, with matplotlib: for papers, for print, and for readers without JavaScript."""

from io import StringIO
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from lowbit.sweep.report.panels import HeatMap, Scatter

# The same trials give the same bytes, and text stays text.
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "lowbit", "svg.fonttype": "none"}

WIDE, NARROW = (1, 2, 5), (1, 1.5, 2, 3, 5, 7)  # what is written along a decade


def scatter(panel: Scatter) -> str:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for point in panel.points:
        x, y = panel.x(point), point.accuracy
        axes.errorbar(
            x.value,
            100 * y.value,
            xerr=x.spread or None,
            yerr=100 * y.spread if y.spread else None,
            fmt="o",
            color="C0" if point in panel.best else "0.7",
            capsize=3,
        )
    for point in panel.best:  # the others are in the table: names over names tell nothing
        place = panel.x(point).value, 100 * point.accuracy.value
        axes.annotate(point.scheme, place, (5, 4), textcoords="offset points", fontsize=8)
    front = [(panel.x(p).value, 100 * p.accuracy.value) for p in panel.best]
    xs, ys = zip(*front, strict=True)
    axes.step(xs, ys, where="post", color="0.6", linewidth=1, zorder=0, label="Pareto front")
    axes.set(xscale="log", xlabel=panel.label, ylabel="test accuracy, %", title=panel.title)
    costs = [panel.x(point).value for point in panel.points]
    axes.xaxis.set_major_locator(LogLocator(subs=WIDE if max(costs) > 10 * min(costs) else NARROW))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.7g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, color="0.9", linewidth=0.5, zorder=0)
    axes.legend(loc="lower right")
    return text(figure)


def heat_map(panel: HeatMap) -> str:
    figure = Figure(figsize=(1.6 + len(panel.columns), 1.4 + 0.6 * len(panel.rows)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    cells = [[float("nan") if c is None else c for c in row] for row in panel.cells]
    image = axes.imshow(cells, aspect="auto", cmap="viridis")
    known = [c for row in panel.cells for c in row if c is not None]
    middle = (min(known) + max(known)) / 2
    for i, row in enumerate(panel.cells):
        for j, cell in enumerate(row):
            if cell is not None:
                colour = "black" if cell > middle else "white"
                axes.text(j, i, f"{cell:.1f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(panel.columns)), panel.columns)
    axes.set_yticks(range(len(panel.rows)), panel.rows)
    axes.set(xlabel=panel.column_label, ylabel=panel.row_label, title=panel.title)
    figure.colorbar(image, ax=axes, label="%")
    return text(figure)


def text(figure: Figure) -> str:
    out = StringIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
