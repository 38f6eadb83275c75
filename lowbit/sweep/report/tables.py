"""The tables of the report, as headers and cells, for the page and for Markdown alike."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lowbit.sweep.names import title
from lowbit.sweep.record import Record
from lowbit.sweep.report.panels import Scatter
from lowbit.sweep.report.rows import Group


@dataclass(frozen=True, slots=True)
class Table:
    """`common` is what holds for all rows, and needs no column."""

    name: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    common: str = ""


SAID_ONCE = ("model", "recipe", "threads", "batch", "machine")


def condensed(found: Table) -> Table:
    """Without the columns that are the same in every row: phones and paper are narrow."""
    columns = [*zip(*found.rows, strict=True)]
    same = [
        name in SAID_ONCE and len(found.rows) > 1 and len({*column}) == 1
        for name, column in zip(found.headers, columns, strict=False)
    ]
    said = [f"{n} {c[0]}" for n, c, s in zip(found.headers, columns, same, strict=False) if s]
    rows = [[cell for cell, s in zip(row, same, strict=True) if not s] for row in found.rows]
    headers = [h for h, s in zip(found.headers, same, strict=False) if not s]
    return Table(found.name, headers if rows else found.headers, rows, ", ".join(said))


def schemes(groups: Sequence[Group], panels: Sequence[Scatter]) -> Table:
    """A row a scheme, over its seeds; a star where it lies on a front."""
    headers = (
        *(
            "model",
            "scheme",
            "recipe",
            "threads",
            "batch",
            "seeds",
            "accuracy",
            "bytes",
            "ms/image",
        ),
        *("torch ms", "faster", "equal", "best by"),
    )
    return condensed(Table("schemes", headers, [scheme(g, panels) for g in groups]))


def scheme(g: Group, panels: Sequence[Scatter]) -> list[str]:
    best = dict.fromkeys("size" if p.cost == "bytes" else "time" for p in panels if g in p.best)
    return [
        *(g.model, g.scheme, words(g.recipe), str(g.threads), str(g.batch), str(g.seeds)),
        f"{g.accuracy:.2%}",
        f"{g.bytes.value:,.0f}",
        f"{g.ms:.4f}",
        f"{g.torch_ms.value:.4f}",
        f"{g.torch_ms.value / g.ms.value:.1f}x",
        f"{g.equal:.2%}",
        ", ".join(best),
    ]


def words(recipe: str) -> str:
    """{"epochs": 2, "flip": true} as `epochs 2, flip`: text that can be broken into lines."""
    said = json.loads(recipe).items()
    return ", ".join(name if value is True else f"{name} {value}" for name, value in said)


TRIAL = {
    "model": "{}",
    "scheme": "{}",
    "seed": "{}",
    "accuracy": "{:.4f}",
    "equal": "{:.4f}",
    "bytes": "{:,}",
    "parameters": "{:,}",
    "binary_macs": "{:,}",
    "low_bit_macs": "{:,}",
    "float_macs": "{:,}",
    "threads": "{}",
    "batch": "{}",
    "ms": "{:.4f}",
    "ms_p10": "{:.4f}",
    "ms_p90": "{:.4f}",
    "torch_ms": "{:.4f}",
    "train_seconds": "{:.1f}",
    "peak_memory": "{:,}",
}


def trials(rows: Iterable[Mapping[str, Any]]) -> Table:
    cells = [[form.format(row[name]) for name, form in TRIAL.items()] for row in rows]
    return condensed(Table("trials", [name.replace("_", " ") for name in TRIAL], cells))


def commands(rows: Iterable[Mapping[str, Any]]) -> Table:
    """How to run each trial again."""
    lines = dict.fromkeys(
        (f"{row['model']} {row['scheme']} seed {row['seed']}", row["command"]) for row in rows
    )
    return Table("commands", ("trial", "command"), [list(line) for line in lines])


def layers(record: Record) -> Table:
    found = record["result"]["layers"]
    headers = [name.replace("_", " ") for name in found[0]]
    cells = [[f"{v:,}" if isinstance(v, int) else v for v in row.values()] for row in found]
    return Table(title(record["config"]), headers, cells)


def machines(records: Iterable[Record]) -> Table:
    """What the trials ran on, and how many on each."""
    counts: dict[tuple[str, ...], int] = {}
    for record in records:
        m = record["measured"]["machine"]
        versions = ", ".join(f"{name} {v}" for name, v in sorted(m["versions"].items()))
        device = record["measured"]["device"]
        line = (m["cpu"], " ".join(m["features"]), str(m["cores"]), device, m["system"], versions)
        counts[line] = counts.get(line, 0) + 1
    headers = ("processor", "features", "cores", "trained on", "system", "versions", "trials")
    return Table("machines", headers, [[*line, str(n)] for line, n in sorted(counts.items())])


def failures(records: Iterable[Record]) -> list[tuple[str, str, str]]:
    """The trial, the error and the traceback."""
    found = [(title(r["config"]), r["error"], r["traceback"]) for r in records]
    return sorted(found)
