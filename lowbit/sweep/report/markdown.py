"""The report as Markdown, with the plots as files beside it."""

from collections.abc import Iterator, Sequence

from lowbit.sweep.report.content import Content
from lowbit.sweep.report.tables import Table


def markdown(content: Content) -> str:
    return "\n".join(lines(content)) + "\n"


def lines(content: Content) -> Iterator[str]:
    yield from ("# Accuracy against size and speed", "")
    for panel in content.scatters:
        yield from (f"![{panel.title}]({panel.name}.svg)", "")
    for heat in content.heat_maps:
        yield from (f"![{heat.title}]({heat.name}.svg)", "")
    yield from ("## Schemes, over their seeds", "", *grid(content.schemes), "")
    yield from (*(f"- {note}" for note in content.notes), "")
    yield from ("## Every trial", "", *grid(content.trials), "")
    if content.failures:
        yield from ("## Failed", "")
        for trial, error, trace in content.failures:
            yield from (f"**{trial}**: {error}", "", "```", trace.rstrip(), "```", "")
    for found in content.searches:
        yield from ("## Mixed precision", "", found.name, "", *grid(found), "")
    yield from ("## Layers", "")
    for table in content.layers:
        yield from (f"### {table.name}", "", *grid(table), "")
    yield from ("## Machine and versions", "", *grid(content.machines), "")
    yield from ("## Again", "")
    yield from ("```", *(command for _, command in content.commands.rows), "```")


def grid(table: Table) -> Iterator[str]:
    if table.common:
        yield from (f"In all rows: {table.common}.", "")
    yield line(table.headers)
    yield line(["---"] * len(table.headers))
    yield from map(line, table.rows)


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
