"""What a command prints: a table for people, or one JSON object for scripts."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console

from lowbit.tables import table

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]


def print_json(report: Mapping[str, object]) -> None:
    typer.echo(json.dumps(report))


def print_table(headers: Sequence[str], rows: Sequence[Sequence], title: str = "") -> None:
    # A pipe has no width, and a table cut at 80 columns is of no use in it.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(headers, rows, title))


def print_lines(lines: Sequence[str]) -> None:
    console = Console()
    for text in lines:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
