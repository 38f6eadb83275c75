"""`lowbit train fit --config w1a1_fmnist`: Lightning's command line over lowbit's modules.

A configuration names classes by `class_path`, so modules of the user's own need no other entry
point. Those that come with lowbit are found by name.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.cli import LightningCLI

CONFIGS = Path(__file__).parent / "configs"
NOISE = (
    # sys.argv stays as it is, since DDP starts its other processes with it.
    "LightningCLI's args parameter is intended to run from within Python",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 under torch 2.13
)


def main(args: Sequence[str]) -> None:
    """Runs a subcommand: fit, validate, test or predict."""
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    LightningCLI(
        L.LightningModule,
        L.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        args=shipped(args),
        parser_kwargs={
            "prog": "lowbit train",
            "description": f"Trains low-bit networks. --config takes a YAML file or one of: "
            f"{', '.join(names())}.",
        },
    )


def names() -> list[str]:
    """The configurations that come with lowbit."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def shipped(args: Sequence[str]) -> list[str]:
    """`args` with each `--config NAME` of a configuration of lowbit's replaced by its path."""
    flags = [None, *args]
    return [
        _locate(arg) if flag in ("--config", "-c") else _inline(arg)
        for flag, arg in zip(flags, args, strict=False)
    ]


def _inline(arg: str) -> str:
    flag, equals, value = arg.partition("=")
    return f"{flag}={_locate(value)}" if equals and flag == "--config" else arg


def _locate(config: str) -> str:
    """A file of the user's comes first; what is neither is left for the parser to complain of."""
    name = config.removesuffix(".yaml")
    if Path(config).is_file() or name not in names():
        return config
    return str(CONFIGS / f"{name}.yaml")
