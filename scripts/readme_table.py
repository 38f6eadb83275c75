"""Writes the measurements under scripts/results/ into README.md, so that none is typed by hand.

python scripts/readme_table.py            rewrites the section, and draws the sweeps
python scripts/readme_table.py --check    fails if it is out of date

The files it reads, and what measures them, are in the modules of its tables.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from readme_accuracy import (
    efficientnet,
    fashion_int8,
    ingredients,
    quickstart,
    recipe,
    training,
    zoo,
)
from readme_kernels import kernels
from readme_networks import drawn, races, sweeps

ROOT = Path(__file__).parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "scripts" / "results"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Blocks = Callable[[Path], Iterator[str]]


def of(*tables: tuple[str, Callable[[str], str]]) -> Blocks:
    """Tables of a file each."""

    def blocks(folder: Path) -> Iterator[str]:
        for name, write in tables:
            if (folder / name).exists():
                yield write((folder / name).read_text())

    return blocks


PARTS: dict[str, Blocks] = {
    "In one command": of(("quickstart.json", quickstart)),
    "The zoo": lambda folder: iter([zoo()]),
    "Sweeps": sweeps,
    "Networks beside other runtimes": races,
    "Kernels beside other runtimes": kernels,
    "8 bits": of(("fashion_int8.csv", fashion_int8), ("efficientnet_int8.csv", efficientnet)),
    "Training": of(
        ("larq_recipe.csv", recipe),
        ("ingredients.csv", ingredients),
        ("training_step.json", training),
    ),
}


def section() -> str:
    parts = {heading: [*blocks(RESULTS)] for heading, blocks in PARTS.items()}
    found = [
        "\n\n".join([f"### {heading}", *blocks]) for heading, blocks in parts.items() if blocks
    ]
    return "\n\n".join(found)


def with_section(text: str, body: str) -> str:
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> None:
    text = README.read_text()
    wanted = with_section(text, section())
    if "--check" in sys.argv:
        if wanted != text:
            sys.exit("README.md is out of date: python scripts/readme_table.py")
        return
    drawn(RESULTS)
    README.write_text(wanted)


if __name__ == "__main__":
    main()
