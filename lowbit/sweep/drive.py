"""The driver: what is not in the store yet is run, and each result stored as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lowbit.sweep.config import Config, by_key, key
from lowbit.sweep.executors import EXECUTORS, Failed, Job, Outcome, Run, Settings, Site, Watch
from lowbit.sweep.start import is_start, start_of
from lowbit.sweep.store import Record, Store


@dataclass(frozen=True, slots=True)
class Swept:
    """What the store now holds of a sweep's trials, by key, how many were there before, and its
    searches for widths."""

    done: dict[str, Record]
    failed: dict[str, Record]
    skipped: int
    searches: dict[str, Record] = field(default_factory=dict)

    def write_report(self, folder: str | Path) -> Path:
        """report.html and its companions; the page's path."""
        from lowbit.sweep.report import write_report

        return write_report(Path(folder), self.done, self.failed, self.searches)

    @property
    def complete(self) -> bool:
        return not self.failed


class Storing:
    """A watch that stores every outcome, then passes it on."""

    def __init__(self, store: Store, configs: dict[str, Config], shown: Watch) -> None:
        self.store, self.configs, self.shown = store, configs, shown

    def started(self, key: str, where: str) -> None:
        self.shown.started(key, where)

    def advanced(self, key: str, share: float, what: str) -> None:
        self.shown.advanced(key, share, what)

    def ended(self, key: str, outcome: Outcome) -> None:
        config = self.configs[key]
        if isinstance(outcome, Failed):
            failure = {"error": outcome.error, "traceback": outcome.trace}
            self.store.save_failure({"config": config, **failure})
        elif is_start(config):
            assert outcome.network is not None
            self.store.save_start(config, outcome.network)
        else:
            found = {"result": outcome.result, "measured": outcome.measured}
            self.store.save({"config": config, **found}, outcome.network)
        self.shown.ended(key, outcome)


def planned(wanted: dict[str, Config], store: Store, device: str) -> list[Job]:
    """The jobs of these trials, and before the first that begins with a float network which the
    store lacks, the job that trains it."""
    jobs: dict[str, Job] = {}
    for name, config in wanted.items():
        start, file = start_of(config), None
        if start:
            file = store.start(key(start))
            if key(start) not in jobs and not store.has_start(key(start)):
                jobs[key(start)] = Job(key(start), start, Site(store.scratch(key(start)), device))
        jobs[name] = Job(name, config, Site(store.scratch(name), device), file)
    return list(jobs.values())


def sweep(
    configs: Sequence[Config], store: Store, run: Run, settings: Settings, shown: Watch
) -> Swept:
    """Runs the trials that the store lacks. Ctrl-C leaves it with all that has ended.

    Raises StoreError if the store cannot be written, or another sweep holds it.
    """
    wanted = by_key(list(configs))
    with store.locked():
        there = store.finished().keys() & wanted.keys()
        jobs = planned({k: c for k, c in wanted.items() if k not in there}, store, settings.device)
        if jobs:
            watch = Storing(store, {job.key: job.config for job in jobs}, shown)
            EXECUTORS[settings.executor](run, jobs, watch, settings)
    done = {k: record for k, record in store.finished().items() if k in wanted}
    failed = {k: record for k, record in store.failed().items() if k in wanted}
    return Swept(done, failed, len(there), store.searches())
