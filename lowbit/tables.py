"""Tables for people: one way to draw them, wherever they are printed."""

from collections.abc import Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def table(headers: Sequence[str], rows: Sequence[Sequence], title: str = "") -> Table:
    """Numbers are aligned to the right and grouped by thousands; text is shown as it is, since
    names come from files and may look like markup."""
    result = Table(*headers, title=escape(title) or None, box=SIMPLE_HEAD, title_justify="left")
    for column, cells in zip(result.columns, zip(*rows, strict=True), strict=False):
        if all(isinstance(c, (int, float)) or c == "" for c in cells):
            column.justify = "right"
    for row in rows:
        result.add_row(*(escape(cell(value)) for value in row))
    return result


def cell(value) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{value:,}"


def render(headers: Sequence[str], rows: Sequence[Sequence], title: str = "") -> str:
    """The table as plain text, for __str__ and logs."""
    out = StringIO()
    Console(file=out, width=120, color_system=None).print(table(headers, rows, title))
    return out.getvalue().rstrip()
