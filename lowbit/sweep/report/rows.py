"""From the store's records to flat rows, one a trial, and to groups, a scheme over its seeds."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lowbit.sweep.names import command, model_name, recipe_name, scheme_name
from lowbit.sweep.record import Record

# Columns that differ when the same trial is run again.
TIMED = (
    *("ms", "ms_p10", "ms_p90", "torch_ms", "train_seconds", "peak_memory", "load"),
    *("cpu", "cores", "trained_on"),
)
WIDTHS = ("1", "ternary", "2", "3", "4", "5", "6", "7", "8", "float")


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """A row a trial and measured batch size, in an order that is the same for the same trials."""
    found = [row for record in records for row in trial_rows(record)]
    return sorted(found, key=order)


def order(row: Mapping[str, Any]) -> tuple:
    widths = (width(row["weight_bits"]), width(row["input_bits"]))
    return (
        row["model"],
        row["data"],
        *widths,
        row["scheme"],
        row["recipe"],
        row["seed"],
        row["threads"],
        row["batch"],
    )


def width(bits: str) -> float:
    return WIDTHS.index(bits) if bits in WIDTHS else len(WIDTHS)


def trial_rows(record: Record) -> list[dict[str, Any]]:
    return [{**what(record), **when(record, times)} for times in record["measured"]["latency"]]


def what(record: Record) -> dict[str, Any]:
    config, result = record["config"], record["result"]
    return {
        "model": model_name(config),
        "scheme": scheme_name(config),
        "weight_bits": result["bits"]["weight"],
        "input_bits": result["bits"]["input"],
        "recipe": recipe_name(config),
        "data": config["data"]["name"],
        "seed": config["seed"],
        "accuracy": result["accuracy"],
        "equal": result["equal"],
        "bytes": result["bytes"],
        "parameters": result["parameters"],
        **{f"{kind}_macs": count for kind, count in result["operations"].items()},
    }


def when(record: Record, times: Mapping[str, Any]) -> dict[str, Any]:
    """Times are milliseconds an image, on `threads` threads with `batch` images at a time."""
    measured, size = record["measured"], times["batch"]
    ours, torchs = times["runtime"], times["torch"]
    return {
        "threads": times["threads"],
        "batch": size,
        "ms": ours["median"] / size,
        "ms_p10": ours["p10"] / size,
        "ms_p90": ours["p90"] / size,
        "torch_ms": torchs["median"] / size,
        "train_seconds": measured["train_seconds"],
        "peak_memory": measured["peak_memory"],
        "load": measured["load"],
        "cpu": measured["machine"]["cpu"],
        "cores": measured["machine"]["cores"],
        "trained_on": measured["device"],
        "lowbit": record["config"]["versions"]["lowbit"],
        "torch": record["config"]["versions"]["torch"],
        "key": record["key"],
        "command": command(record["config"]),
    }


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over seeds, and their standard deviation, which one seed does not have."""

    value: float
    spread: float | None

    @classmethod
    def of(cls, values: list[float]) -> "Mean":
        spread = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), spread)

    def __format__(self, form: str) -> str:
        """f"{mean:.2%}" is 92.25% ± 0.10%, in one line wherever it stands."""
        spread = "" if self.spread is None else f"\u00a0±\u00a0{self.spread:{form}}"
        return f"{self.value:{form}}{spread}"


@dataclass(frozen=True, slots=True)
class Group:
    """One scheme of one model under one recipe, over its seeds, at one batch size."""

    model: str
    scheme: str
    recipe: str
    data: str
    weight_bits: str
    input_bits: str
    threads: int
    batch: int
    seeds: int
    equal: float
    accuracy: Mean
    bytes: Mean
    ms: Mean
    torch_ms: Mean


YARDSTICK = ("model", "data", "threads", "batch")  # what torch's float network is the same for


def steadied(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their times on one scale.

    A machine is now faster and now slower, for whatever runs on it. So a time is taken as its ratio
    to that of torch's float network in the same turns, times the median of torch's over all rows.
    """
    rows, torchs = list(found), dict[tuple, list[float]]()
    for row in rows:
        torchs.setdefault(yardstick(row), []).append(row["torch_ms"])
    middle = {key: statistics.median(times) for key, times in torchs.items()}
    return [
        {**row, "ms": row["ms"] / row["torch_ms"] * now, "torch_ms": now}
        for row in rows
        for now in (middle[yardstick(row)],)
    ]


def yardstick(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in YARDSTICK)


SAME = ("model", "scheme", "recipe", "data", "weight_bits", "input_bits", "threads", "batch")
AVERAGED = ("accuracy", "bytes", "ms", "torch_ms")


def groups(found: Iterable[Mapping[str, Any]]) -> list[Group]:
    """With steadied times."""
    together: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in steadied(found):
        together.setdefault(tuple(row[name] for name in SAME), []).append(row)
    return [group(members) for members in together.values()]


def group(members: list[Mapping[str, Any]]) -> Group:
    same: dict[str, Any] = {name: members[0][name] for name in SAME}
    means: dict[str, Any] = {name: Mean.of([row[name] for row in members]) for name in AVERAGED}
    equal = min(row["equal"] for row in members)
    return Group(**same, **means, seeds=len(members), equal=equal)
