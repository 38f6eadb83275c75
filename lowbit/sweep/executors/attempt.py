"""What every executor is given and gives back: a trial is tried, and what happens is told.

run(config, site, tell) -> Found         the trial, a function that can be imported by name
watch.started / advanced / ended         called by the executor, in the driver's process
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lowbit.sweep.config import Config, canonical

Tell = Callable[[float, str], None]  # the share of the trial that is done, and what it is doing


@dataclass(frozen=True, slots=True)
class Found:
    """`result` is the same whenever and wherever the trial runs; `measured` (times, memory) is
    not. Both are plain JSON."""

    result: Mapping[str, Any]
    measured: Mapping[str, Any]
    network: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """`error` is one line, `trace` the traceback."""

    error: str
    trace: str


@dataclass(frozen=True, slots=True)
class Team:
    """The processes that train one trial together, which of them this is, and where they meet."""

    rank: int = 0
    size: int = 1
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """Where a trial runs, and what it is handed. None of it decides what the trial finds.

    `scratch` is a folder of the trial's own, made by it if need be, that outlives a kill; `device`
    is what Lightning trains on; `start` is the file of the float network that training begins with;
    `timed` is whether the exported network is timed here.
    """

    scratch: Path
    device: str = "cpu"
    start: bytes | None = None
    team: Team = Team()
    timed: bool = True


Outcome = Found | Failed
Run = Callable[[Config, Site, Tell], Found]


@dataclass(frozen=True, slots=True)
class Job:
    """`start` is where the float network is, once the job that trains it has ended."""

    key: str
    config: Config
    site: Site
    start: Path | None = None

    @property
    def ready(self) -> bool:
        return self.start is None or self.start.exists()

    def supplied(self) -> "Job":
        """With its float network, which a worker on another machine could not read."""
        if self.start is None:
            return self
        return replace(self, site=replace(self.site, start=self.start.read_bytes()))


class Watch(Protocol):
    def started(self, key: str, where: str) -> None: ...

    def advanced(self, key: str, share: float, what: str) -> None: ...

    def ended(self, key: str, outcome: Outcome) -> None: ...


def attempt(run: Run, job: Job, tell: Tell) -> Outcome:
    """Runs the trial. Whatever it raises is its outcome, save for Ctrl-C."""
    try:
        found = run(job.config, job.site, tell)
        canonical([found.result, found.measured])  # an accuracy that is NaN is a failure, too
        return found
    except Exception as error:
        return Failed(one_line(error), traceback.format_exc())


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
