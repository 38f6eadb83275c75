"""All contestants of one network, built, warmed, and run in turns in one process."""

import contextlib
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lowbit.accounting import account
from lowbit.bench.networks import Entry
from lowbit.bench.ours import exported, ready
from lowbit.bench.peers import PEERS, Peer
from lowbit.bench.steps import StepTime, step_times
from lowbit.bench.subject import Subject, known, subject
from lowbit.ir import Graph
from lowbit.runtime import Network
from lowbit.sweep.executors.attempt import one_line
from lowbit.timing import Spread, samples

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """`peer` is None for ours. `error` is the distance of the output from the float network's,
    over that's length: a check that the same network runs. None where it is another network."""

    network: str
    dtype: str
    kernel: str
    peer: str | None
    run: Callable[[], object]
    bytes: int
    error: float | None


@dataclass
class Race:
    entry: Entry
    threads: int
    batch: int
    rounds: int
    absent: dict[str, str] = field(default_factory=dict)
    steps: dict[str, list[StepTime]] = field(default_factory=dict)

    def rows(self, say: Say, with_steps: bool = False) -> list[dict]:
        """A row a contestant, the fastest first."""
        found, shape = known(self.entry.float)
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with tempfile.TemporaryDirectory() as folder:
                raced = subject(found, shape, self.batch, self.threads, Path(folder))
                crew = [*self.peers(raced, say), *self.ours(raced, say, with_steps)]
                say(f"{self.entry.float}: {len(crew)} contestants, {self.rounds} rounds")
                runs = {name_of(c): c.run for c in crew}
                times = samples(runs, self.rounds, shuffled=True)
        finally:
            torch.set_num_threads(before)
        giga = self.batch * macs(raced) * 2e-9
        rows = [self.row(c, Spread.of(times[name_of(c)]), shape, giga) for c in crew]
        return sorted(rows, key=lambda row: row["median_ms"])

    def row(self, c: Contestant, time: Spread, shape: tuple[int, ...], giga: float) -> dict:
        return {
            "op": self.entry.float,
            "shape": "x".join(map(str, (self.batch, *shape))),
            "dtype": c.dtype,
            "kernel": c.kernel,
            "threads": self.threads,
            "median_ms": round(time.median, 4),
            "p10_ms": round(time.p10, 4),
            "p90_ms": round(time.p90, 4),
            "rounds": time.runs,
            "gops": round(1e3 * giga / time.median, 1),
            "ceiling_gops": None,
            "bytes": c.bytes,
            "error": c.error,
            "peer": c.peer,
        }

    def peers(self, raced: Subject, say: Say) -> Iterator[Contestant]:
        for peer in PEERS:
            say(f"{self.entry.float}: preparing {peer.name}")
            try:
                made = built(peer, raced)
            except ImportError as error:
                package = error.name or peer.package
                self.absent[peer.name] = f"{package} is not installed (lowbit[bench])"
            except Exception as error:  # another library may raise anything, and the rest goes on
                self.absent[peer.name] = one_line(error)
            else:
                yield made

    def ours(self, raced: Subject, say: Say, with_steps: bool) -> Iterator[Contestant]:
        for number, (name, width) in enumerate(self.entry.ours):
            say(f"{self.entry.float}: exporting {name} {width}")
            network, file = ready(raced, exported(raced, name, width), f"ours{number}")
            x = raced.images.numpy()
            if with_steps:
                self.steps[f"{name} {width}"] = step_times(network, x)
            same = width.startswith("ptq") or width == "float"
            far = distance(network(x), raced) if same else None
            size = file.stat().st_size
            yield Contestant(name, label(width), "lowbit", None, runner(network, x), size, far)


def built(peer: Peer, raced: Subject) -> Contestant:
    with hushed():
        run, size = peer.build(raced)
        return Contestant("", peer.dtype, peer.name, peer.name, run, size, distance(run(), raced))


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Other libraries' warnings are of their own parts, and hide the table that was asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def runner(network: Network, x) -> Callable[[], object]:
    return lambda: network(x)


def name_of(c: Contestant) -> str:
    return f"{c.kernel} {c.network} {c.dtype}"


def label(width: str) -> str:
    return "int8" if width == "ptq-w8a8" else width.split("-")[-1]


def distance(output: object, raced: Subject) -> float:
    wanted = raced.expected
    gap = torch.as_tensor(output).reshape(wanted.shape) - wanted
    return float(f"{(gap.norm() / wanted.norm()).item():.2g}")


def macs(raced: Subject) -> int:
    """Products of the float network, an image."""
    rows: dict = {}
    account(graph(raced), rows)
    return sum(row.float_macs for row in rows.values())


def graph(raced: Subject) -> Graph:
    import lowbit

    return lowbit.export(raced.twin, raced.images[:1].repeat(2, 1, 1, 1))


def fastest(rows: list[dict]) -> str:
    """The verdict, in a line."""
    first = rows[0]
    ours = next((row for row in rows if row["peer"] is None), None)
    said = f"{first['op']}: fastest is {who(first)}, {first['median_ms']:.3f} ms"
    peers = [row for row in rows if row["peer"]]
    if ours and peers and not math.isclose(peers[0]["median_ms"], 0):
        ratio = peers[0]["median_ms"] / ours["median_ms"]
        said += f"; lowbit's {ours['dtype']} is {ratio:.2f} times as fast as {who(peers[0])}"
    return said


def who(row: dict) -> str:
    return row["peer"] or f"lowbit {row['dtype']}"
