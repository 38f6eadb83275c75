"""The report as one HTML page: no file beside it, no network; readable on paper and on a phone."""

from collections.abc import Iterator
from html import escape

from lowbit.sweep.report import plots, svg
from lowbit.sweep.report.content import Content
from lowbit.sweep.report.panels import HeatMap, Scatter
from lowbit.sweep.report.tables import Table

TITLE = "Accuracy against size and speed"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: auto; padding: 1rem; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.25rem; }
#commands td { text-align: left; font-family: monospace; white-space: normal; }
.wide { overflow-x: auto; }
.plot svg, .paper svg { max-width: 100%; }
.paper { display: none; }
pre { overflow-x: auto; background: #f6f6f6; padding: 0.5rem; font-size: 0.8rem; }
.failed { color: #a00; }
@media print {
  body { max-width: none; padding: 0; font-size: 10px; }
  table { font-size: 8px; }
  .wide { overflow: visible; }
  .plot { display: none; }
  .paper { display: block; break-inside: avoid; }
  .paper svg { width: 70%; height: auto; }
  tr { break-inside: avoid; }
  h2, h3, p { break-inside: avoid; break-after: avoid-page; }
  #commands td { overflow-wrap: anywhere; }
}
"""
# On paper nothing can be unfolded, and without JavaScript there is no plotly.
SCRIPT = """
addEventListener("beforeprint", () => {
  for (const d of document.querySelectorAll("details")) d.open = true;
});
"""
NO_SCRIPT = "<noscript><style>.plot { display: none } .paper { display: block }</style></noscript>"


def page(content: Content) -> str:
    return "\n".join(parts(content)) + "\n"


def parts(content: Content) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{TITLE}</title><style>{STYLE}</style>{NO_SCRIPT}"
    yield f"<script>{plots.library()}</script><script>{SCRIPT}</script></head><body>"
    yield f"<h1>{TITLE}</h1>"
    for panel in content.scatters:
        yield both(panel, plots.scatter(panel), svg.scatter(panel))
    for heat in content.heat_maps:
        yield both(heat, plots.heat_map(heat), svg.heat_map(heat))
    yield f"<h2>Schemes, over their seeds</h2>{table(content.schemes)}"
    yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in content.notes) + "</ul>"
    yield f"<h2>Every trial</h2>{table(content.trials)}"
    yield from failures(content)
    if content.searches:
        yield "<h2>Mixed precision</h2>"
    for found in content.searches:
        yield f"<h3>{escape(found.name)}</h3>{table(found, named=False)}"
    yield "<h2>Layers</h2>"
    for layers in content.layers:
        body = table(layers, named=False)
        yield f"<details><summary>{escape(layers.name)}</summary>{body}</details>"
    yield f"<h2>Machine and versions</h2>{table(content.machines)}"
    yield f"<h2>Again</h2>{table(content.commands)}</body></html>"


def both(panel: Scatter | HeatMap, screen: str, paper: str) -> str:
    """Plotly's plot for the screen, matplotlib's for paper."""
    drawing = paper[paper.index("<svg") :]
    label = escape(panel.title, quote=True)
    return (
        f'<h2 class="plot">{label}</h2>'
        f'<div class="plot" role="img" aria-label="{label}">{screen}</div>'
        f'<div class="paper">{drawing}</div>'
    )


def table(found: Table, named: bool = True) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in found.headers)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in found.rows
    )
    name = f' id="{found.name}"' if named else ""
    common = f"<p>In all rows: {escape(found.common)}.</p>" if found.common else ""
    return common + (
        f'<div class="wide"><table{name}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def failures(content: Content) -> Iterator[str]:
    if content.failures:
        yield '<h2 class="failed">Failed</h2>'
    for trial, error, trace in content.failures:
        summary = f"{escape(trial)}: {escape(error)}"
        yield f"<details><summary>{summary}</summary><pre>{escape(trace)}</pre></details>"
