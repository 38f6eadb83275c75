"""The table of commands, and the one place where errors become a line and an exit status."""

import sys
from inspect import cleandoc
from typing import Annotated

import typer

import lowbit
from lowbit.cli import bench, doctor, inference, int8, models, sweep, training, warmup, zoo
from lowbit.cli import search as searching
from lowbit.cli.errors import expected, line

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Trains low-bit networks, exports them as integers, and runs them without torch.",
)
COMMANDS = {
    "Start here": (training.quickstart, doctor.doctor),
    "Train and export (needs the extra: lowbit\\[train])": (
        *(training.train, models.summary, models.export, models.verify, sweep.sweep),
        *(searching.search, int8.ptq, int8.debug),
    ),
    "Exported files": (inference.run, inference.inspect, warmup.warmup),
}
FORWARDS = {  # its options, --help included, are another program's
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def paragraphs(text: str | None) -> str:
    """A docstring without the ends of its lines, which typer would keep from the second paragraph
    on, whatever the width of the terminal."""
    return "\n\n".join(" ".join(p.split()) for p in cleandoc(text or "").split("\n\n"))


for panel, commands in COMMANDS.items():
    for command in commands:
        settings = FORWARDS if command is training.train else None
        app.command(rich_help_panel=panel, context_settings=settings)(command)
app.add_typer(zoo.app, name="zoo", rich_help_panel="Start here")
app.add_typer(bench.app, name="bench", rich_help_panel="Exported files")
for known in (app, zoo.app, bench.app):
    for info in known.registered_commands:
        info.help = paragraphs(info.callback.__doc__)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lowbit {lowbit.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Trains low-bit networks, exports them as integers, and runs them without torch."""


def main() -> None:
    """Status 0, or 1 with a line on stderr, or 2 for a mistaken command line, or 130 for Ctrl-C."""
    try:
        app(prog_name="lowbit")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not expected(error):
            raise
        print(f"error: {line(error)}", file=sys.stderr)
        sys.exit(1)
