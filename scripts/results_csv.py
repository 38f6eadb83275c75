"""Rows of measurements in a CSV file, one added as soon as it is known, so that a run may go on."""

import csv
from pathlib import Path

Row = dict[str, object]


def read(path: Path) -> list[dict[str, str]]:
    """No file has no rows."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, row: Row) -> None:
    """The first row brings the header, and the ones after it keep to it."""
    fields = list(row)
    if path.exists():
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        if header != fields:
            raise ValueError(f"{path} has the fields {header}, not {fields}")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
