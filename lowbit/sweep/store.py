"""What has been found, one file a trial: a trial is finished when its file is there.

    store/results/<key>.json            a finished trial
    store/networks/<key>.safetensors    the network that it exported
    store/failures/<key>.json           the traceback of one that failed; it is tried again
    store/floats/<key>.safetensors      a float network that trials begin with
    store/searches/<key>.json           a finished search for widths
    store/unfinished/<key>/             checkpoints of one that is under way

A file is written under another name, synced, renamed, and its folder synced, so that it is there
whole or not at all, whatever is killed. One process writes: the sweep that holds the lock. Two
machines' stores are merged by copying the files of one into the other.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lowbit.atomic import UNFINISHED, write
from lowbit.sweep.config import digest
from lowbit.sweep.record import Record, parse, serialize
from lowbit.sweep.start import unpacked

NAME = re.compile(r"[0-9a-f]{64}\.json")


class StoreError(ValueError):
    """The store cannot be used. The message says why, and what to do."""


class Store:
    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.results = self.folder / "results"
        self.networks = self.folder / "networks"
        self.failures = self.folder / "failures"
        self.floats = self.folder / "floats"
        self.found = self.folder / "searches"
        self.damaged: dict[Path, str] = {}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the store for one sweep; the system lets go of it however the sweep ends."""
        for place in self.places():
            with explained(self.folder):
                place.mkdir(parents=True, exist_ok=True)
        with explained(self.folder):
            file = (self.folder / "lock").open("a+")
        with file:
            take(file, self.folder)
            self.sweep_away()
            yield

    def sweep_away(self) -> None:
        """Removes what a killed sweep was writing: whoever holds the lock is the only writer."""
        for place in self.places():
            for left in place.glob(f".*{UNFINISHED}"):
                left.unlink()

    def places(self) -> tuple[Path, ...]:
        return self.results, self.networks, self.failures, self.floats, self.found

    def scratch(self, key: str) -> Path:
        return self.folder / "unfinished" / key

    def finished(self) -> dict[str, Record]:
        """Every finished trial by its key; files that are damaged are told in `damaged`."""
        return self.read(self.results)

    def failed(self) -> dict[str, Record]:
        """Trials whose last attempt failed."""
        finished = self.finished()
        return {k: record for k, record in self.read(self.failures).items() if k not in finished}

    def read(self, folder: Path) -> dict[str, Record]:
        found = {}
        paths = folder.iterdir() if folder.is_dir() else ()
        for path in sorted(p for p in paths if NAME.fullmatch(p.name)):
            try:
                found[path.stem] = parse(path.read_bytes(), path.stem)
            except ValueError as error:
                self.damaged[path] = str(error)
        return found

    def save(self, record: Mapping[str, Any], network: bytes | None = None) -> None:
        """Stores a finished trial, the network first, so that a result always has its network."""
        key = digest(record["config"])
        with self.rescued(key, record, network):
            if network is not None:
                write(self.networks / f"{key}.safetensors", network)
            write(self.results / f"{key}.json", serialize(record))
        self.settled(key)

    def start(self, key: str) -> Path:
        return self.floats / f"{key}.safetensors"

    def has_start(self, key: str) -> bool:
        """A damaged one is told in `damaged`."""
        path = self.start(key)
        try:
            unpacked(path.read_bytes())
        except FileNotFoundError:
            return False
        except ValueError as error:
            self.damaged[path] = str(error)
            return False
        return True

    def forget_start(self, key: str) -> None:
        """No trial may begin with a damaged one."""
        self.start(key).unlink(missing_ok=True)

    def save_start(self, config: Mapping[str, Any], network: bytes) -> None:
        key = digest(config)
        with self.rescued(key, {"config": config}, network):
            write(self.start(key), network)
        self.settled(key)

    def settled(self, key: str) -> None:
        (self.failures / f"{key}.json").unlink(missing_ok=True)
        shutil.rmtree(self.scratch(key), ignore_errors=True)

    def save_failure(self, record: Mapping[str, Any]) -> None:
        key = digest(record["config"])
        with self.rescued(key, record, None):
            write(self.failures / f"{key}.json", serialize(record))

    def save_search(self, record: Mapping[str, Any]) -> None:
        key = digest(record["config"])
        with self.rescued(key, record, None):
            write(self.found / f"{key}.json", serialize(record))
        self.settled(key)

    def searches(self) -> dict[str, Record]:
        """Every finished search for widths, by its key."""
        return self.read(self.found)

    def searched(self, config: Mapping[str, Any]) -> Record | None:
        return self.searches().get(digest(config))

    @contextlib.contextmanager
    def rescued(self, key: str, record: Mapping[str, Any], network: bytes | None) -> Iterator[None]:
        """What the store has no room for is put elsewhere: a trial may have taken hours."""
        try:
            yield
        except OSError as error:
            place = Path(tempfile.mkdtemp(prefix="lowbit-sweep-"))
            (place / f"{key}.json").write_bytes(serialize(record))
            if network is not None:
                (place / f"{key}.safetensors").write_bytes(network)
            raise StoreError(
                f"{self.folder}: {reason(error)}. The trial that had just ended is in {place}: "
                f"make room, copy its files to {self.results} and {self.networks}, and run the "
                "same command again; all earlier trials are stored"
            ) from None


def take(file, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise StoreError(
            f"{folder}: another sweep is using this store ({file.read().strip()}). Let it end, or "
            "give this one a --store of its own and copy its results over afterwards"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {os.uname().nodename}")
    file.flush()


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: no store can be kept there ({reason(error)}): give --store a folder that "
            "you may write to"
        ) from None


def reason(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "the disk is full" if full else error.strerror or str(error)
