"""What a sweep shows while it runs: a bar a running trial, the time left, the last results.

On a terminal a live picture; elsewhere a line for each trial that has ended.
"""

from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from lowbit.sweep.config import Config, by_key
from lowbit.sweep.executors import Failed, Outcome
from lowbit.sweep.names import title
from lowbit.sweep.start import start_of
from lowbit.tables import table

SHOWN = 12
HEADERS = ("trial", "accuracy", "bytes", "ms/image", "equal")


class LiveTable:
    """A watch; enter it to draw on `console`."""

    def __init__(self, configs: dict[str, Config], skipped: int, console: Console) -> None:
        starts = by_key([start for c in configs.values() if (start := start_of(c))])
        self.titles = {key: title(config) for key, config in {**starts, **configs}.items()}
        self.starts = starts.keys()
        self.console = console
        self.rows: deque[tuple] = deque(maxlen=SHOWN)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=console,
        )
        self.whole = Progress(
            TextColumn("[bold]all trials[/]"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=3600,
        )
        self.all = self.whole.add_task("all", total=len(configs) - skipped)
        self.tasks: dict[str, TaskID] = {}
        self.live = Live(console=console, get_renderable=self.picture, refresh_per_second=2)

    def __enter__(self) -> "LiveTable":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *failure) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def picture(self) -> Group:
        drawn: list[Table | Progress] = [self.progress, self.whole]
        return Group(*([table(HEADERS, [*self.rows])] if self.rows else []), *drawn)

    def started(self, key: str, where: str) -> None:
        if key in self.tasks:
            self.progress.remove_task(self.tasks[key])
        self.tasks[key] = self.progress.add_task(self.titles[key], total=1.0, what=where)

    def advanced(self, key: str, share: float, what: str) -> None:
        self.progress.update(self.tasks[key], completed=share, what=what)

    def ended(self, key: str, outcome: Outcome) -> None:
        if key in self.tasks:
            self.progress.remove_task(self.tasks.pop(key))
        if key not in self.starts:
            self.whole.advance(self.all)
            self.rows.append(row(self.titles[key], outcome))
        if isinstance(outcome, Failed):
            self.console.print(
                f"{self.titles[key]} failed: {outcome.error}", markup=False, style="red"
            )
        elif not self.console.is_terminal and key not in self.starts:
            self.console.print("  ".join(map(str, self.rows[-1])), markup=False, highlight=False)


def row(title: str, outcome: Outcome) -> tuple:
    if isinstance(outcome, Failed):
        return (title, "failed", "", "", "")
    result, latency = outcome.result, outcome.measured.get("latency", [])
    first = latency[0] if latency else None
    return (
        title,
        f"{result['accuracy']:.2%}",
        result["bytes"],
        f"{first['runtime']['median'] / first['batch']:.3f}" if first else "",
        f"{result['equal']:.2%}",
    )
