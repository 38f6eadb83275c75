"""The report of a sweep: one page, and the same as Markdown, CSV and SVG."""

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from lowbit import atomic
from lowbit.sweep.record import Record, untimed

UNTIMED = "{} of {} trials are not timed yet: run lowbit sweep --time-again"
MISSING = 'the report needs {}: pip install "lowbit[report]"'


def write_report(
    folder: Path,
    done: Mapping[str, Record],
    failed: Mapping[str, Record],
    searches: Mapping[str, Record],
) -> Path:
    """Writes report.html, report.md, trials.csv and a .svg a plot; gives the page back.

    Raises ValueError if some trials are not timed yet.
    """
    if late := untimed(done.values()):
        raise ValueError(UNTIMED.format(late, len(done)))
    try:
        from lowbit.sweep.report import markdown, page, svg
    except ModuleNotFoundError as error:
        if error.name not in ("plotly", "matplotlib"):
            raise
        raise ModuleNotFoundError(MISSING.format(error.name), name=error.name) from None
    from lowbit.sweep.report.content import content

    found = content(done, failed, searches)
    files = {
        "trials.csv": as_csv(found.rows),
        **{f"{panel.name}.svg": svg.scatter(panel) for panel in found.scatters},
        **{f"{panel.name}.svg": svg.heat_map(panel) for panel in found.heat_maps},
        "report.md": markdown.markdown(found),
        "report.html": page.page(found),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        atomic.write(folder / name, text)
    return folder / "report.html"


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["model"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
