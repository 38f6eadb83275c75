"""The quickstart's picture: accuracy against bytes and against time, one point a network."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # no display is needed to write a file
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lowbit.atomic import replacing


def draw(points: Sequence[tuple[str, float, float, float]], path: Path) -> None:
    """Points are (name, accuracy in 0..1, bytes, milliseconds an image); writes a PNG."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    bytes_axes, time_axes = figure.subplots(1, 2, sharey=True)
    panels = ((bytes_axes, 2, "model size, bytes"), (time_axes, 3, "one image, one thread, ms"))
    for axes, column, label in panels:
        for point in points:
            axes.scatter(point[column], 100 * point[1], s=60, zorder=3)
            axes.annotate(
                point[0], (point[column], 100 * point[1]), (6, 6), textcoords="offset points"
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.margins(0.25, 0.2)
        axes.grid(True, which="both", linewidth=0.3, zorder=0)
    bytes_axes.set_ylabel("Fashion-MNIST test accuracy, %")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)
