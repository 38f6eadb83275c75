"""Where trials run. Each executor takes the same jobs and tells the same watch."""

from dataclasses import dataclass

from lowbit.sweep.executors import cluster, inline, processes
from lowbit.sweep.executors.attempt import (
    Failed,
    Found,
    Job,
    Outcome,
    Run,
    Site,
    Tell,
    Watch,
)

__all__ = [
    "EXECUTORS",
    "Failed",
    "Found",
    "Job",
    "Outcome",
    "Run",
    "Settings",
    "Site",
    "Tell",
    "Watch",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """`retries`: how often a trial is begun anew after its process or machine died; `device`: what
    Lightning trains on, `auto` for whatever the machine has; `timed`: whether each trial is timed
    as it ends, or none until `lowbit sweep --time-again`."""

    executor: str = "processes"
    workers: int = 2
    retries: int = 3
    address: str | None = None
    device: str = "cpu"
    timed: bool = True


EXECUTORS = {
    "inline": lambda run, jobs, watch, s: inline.execute(run, jobs, watch),
    "processes": lambda run, jobs, watch, s: processes.execute(
        run, jobs, watch, s.workers, s.retries
    ),
    "ray": lambda run, jobs, watch, s: cluster.execute(
        run, jobs, watch, s.workers, s.retries, s.address
    ),
}
