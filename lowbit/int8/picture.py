"""The debugger's picture: how well each tensor is kept, and what each layer alone costs."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # no display is needed to write a file
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lowbit.atomic import replacing
from lowbit.int8.debug import Row

ROW_INCHES = 0.22


def draw(rows: Sequence[Row], costs: dict[str, float], path: Path) -> None:
    """Bars of decibels, in order of execution, the lower the worse. Writes a PNG."""
    panels = [("tensors: float against codes", {r.name: r.decibels for r in rows})]
    panels += [("outputs, one layer switched at a time", costs)] if costs else []
    height = 1.2 + ROW_INCHES * max(len(found) for _, found in panels)
    figure = Figure(figsize=(5.5 * len(panels), min(height, 200)), layout="constrained")
    for axes, (title, found) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        bars(axes, title, found)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=100)


def bars(axes: Axes, title: str, found: dict[str, float]) -> None:
    worst = min(found.values(), default=0.0)
    colours = ["tab:red" if value == worst else "tab:blue" for value in found.values()]
    axes.barh(range(len(found)), list(found.values()), color=colours)
    axes.set_yticks(range(len(found)), list(found), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("signal to noise, dB")
    axes.set_title(title, fontsize=9)
    axes.grid(True, axis="x", linewidth=0.3)
