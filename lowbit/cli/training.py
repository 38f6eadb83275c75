"""Commands that train. Their options are those of lowbit.train's and of the quickstart."""

from pathlib import Path
from typing import Annotated

import typer

from lowbit.cli.output import AsJson


def train(context: typer.Context) -> None:
    """Train a network: lowbit train fit --config w1a1_fmnist.

    Everything after `train` goes to Lightning's command line: fit, validate, test or predict, with
    a YAML file or the name of a configuration that comes with lowbit.
    """
    from lowbit.train.cli import main

    main(context.args)


def quickstart(
    folder: Annotated[Path, typer.Option(help="Where the network and its checkpoint go.")] = Path(
        "lowbit-quickstart"
    ),
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the images: 3, or 15 of the embedded subset."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a binary and a two-bit network and their float twin, export, run, compare: minutes.

    Needs the training extra: pip install "lowbit[train]". Stop it at any time; it goes on from the
    last epoch.
    """
    from lowbit.quickstart import main

    main(folder, epochs, as_json)
