"""What a sweep shows while it runs: a bar a running trial, the time left, the last results.

On a terminal a live picture; elsewhere a line for each trial that has ended. The time left goes by
epochs, not by trials, of which some train much longer than others.
"""

from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from lowbit.sweep.config import Config
from lowbit.sweep.executors import Failed, Outcome
from lowbit.sweep.names import title
from lowbit.sweep.recipe import recipe
from lowbit.sweep.start import is_start
from lowbit.tables import table

SHOWN = 12
HEADERS = ("trial", "accuracy", "bytes", "ms/image", "equal")


class LiveTable:
    """A watch; enter it to draw on `console`."""

    def __init__(self, configs: dict[str, Config], console: Console) -> None:
        self.titles = {key: title(config) for key, config in configs.items()}
        self.trials = {key for key, config in configs.items() if not is_start(config)}
        self.work = {key: epochs(config) for key, config in configs.items()}
        self.done = dict.fromkeys(configs, 0.0)  # shares
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
            TextColumn("{task.fields[ended]}/{task.fields[trials]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=3600,
        )
        count, total = len(self.trials), sum(self.work.values())
        self.all = self.whole.add_task("all", total=total, ended=0, trials=count)
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
        self.count(key, share)

    def count(self, key: str, share: float) -> None:
        self.done[key] = share
        completed = sum(self.work[key] * share for key, share in self.done.items())
        self.whole.update(self.all, completed=completed)

    def ended_trials(self) -> int:
        return sum(self.done[key] == 1.0 for key in self.trials)

    def ended(self, key: str, outcome: Outcome) -> None:
        if key in self.tasks:
            self.progress.remove_task(self.tasks.pop(key))
        self.count(key, 1.0)
        if key in self.trials:
            self.rows.append(row(self.titles[key], outcome))
            self.whole.update(self.all, ended=self.ended_trials())
        if isinstance(outcome, Failed):
            self.console.print(
                f"{self.titles[key]} failed: {outcome.error}",
                markup=False,
                style="red",
                soft_wrap=True,
            )
        elif not self.console.is_terminal and key in self.trials:
            text = "  ".join(map(str, self.rows[-1]))
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def epochs(config: Config) -> int:
    """What a job takes, nearly. What follows a trial's training counts as one."""
    how = recipe(config["recipe"])
    return how.float_epochs if is_start(config) else how.epochs + 1


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
