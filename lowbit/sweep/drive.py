"""The driver: what is not in the store yet is run, and each result stored as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lowbit.sweep.config import Config, by_key, key
from lowbit.sweep.executors import EXECUTORS, Failed, Job, Outcome, Run, Settings, Site, Watch
from lowbit.sweep.record import Record, untimed
from lowbit.sweep.start import is_start, start_of
from lowbit.sweep.store import Store


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
    def untimed(self) -> int:
        return untimed(self.done.values())

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


def lacking(wanted: dict[str, Config], store: Store) -> dict[str, Config]:
    """The trials that the store lacks, and before the first that begins with a float network which
    it lacks too, what trains that."""
    there, lacks = store.finished(), dict[str, Config]()
    for name, config in wanted.items():
        if name not in there:
            start = start_of(config)
            if start and not store.has_start(key(start)):
                lacks[key(start)] = start
            lacks[name] = config
    return lacks


def job(name: str, config: Config, store: Store, settings: Settings) -> Job:
    start = start_of(config)
    site = Site(store.scratch(name), settings.device, timed=settings.timed)
    return Job(name, config, site, store.start(key(start)) if start else None)


def sweep(
    configs: Sequence[Config], store: Store, run: Run, settings: Settings, shown: Watch
) -> Swept:
    """Runs the trials that the store lacks. Ctrl-C leaves it with all that has ended.

    Raises StoreError if the store cannot be written, or another sweep holds it.
    """
    wanted = by_key(list(configs))
    with store.locked():
        lacks = lacking(wanted, store)
        if lacks:
            for name, config in lacks.items():
                if is_start(config):
                    store.forget_start(name)
            jobs = [job(name, config, store, settings) for name, config in lacks.items()]
            EXECUTORS[settings.executor](run, jobs, Storing(store, lacks, shown), settings)
    done = {k: record for k, record in store.finished().items() if k in wanted}
    failed = {k: record for k, record in store.failed().items() if k in wanted}
    return Swept(done, failed, len(wanted.keys() - lacks.keys()), store.searches())
