"""Trials that several processes train together: rank 0 runs the trial, the others help it to train.

How many is in the trial's recipe (`ranks`), since it decides the result; where they run does not.
Lightning's DDP needs an address at which they meet, and whoever starts them knows it.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process

from lowbit.sweep.executors.attempt import Job, Run, Team

SPAWN = get_context("spawn")
GRACE = 30  # seconds in which rank 0 may tell itself why a helper has failed


def ranks(job: Job) -> int:
    return job.config["recipe"].get("ranks", 1)


def members(job: Job, address: str) -> list[Job]:
    """The job for every rank of its team, which meets at this machine's `address`."""
    team = Team(0, ranks(job), address, free_port(address))
    teams = [replace(team, rank=rank) for rank in range(team.size)]
    return [replace(job, site=replace(job.site, team=team)) for team in teams]


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def beside(run: Run, job: Job, fatal: bool) -> Iterator[Job]:
    """Rank 0's job, the other ranks being processes of this machine meanwhile. `fatal` ends this
    process with a helper that dies: whoever minds it begins the trial anew."""
    if ranks(job) == 1:
        yield job
        return
    mine, *others = members(job, "127.0.0.1")
    crew = [SPAWN.Process(target=helping, args=(run, other)) for other in others]
    for process in crew:
        process.start()
    over = threading.Event()
    if fatal:
        threading.Thread(target=end_with, args=(crew, over), daemon=True).start()
    try:
        yield mine
    finally:
        over.set()
        for process in crew:
            process.kill()
            process.join()


def helping(run: Run, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    run(job.config, job.site, lambda share, what: None)


def end_with(crew: list, over: threading.Event) -> None:
    """A helper that ends well has trained to the end; one that was killed takes its team along,
    unless the team's work is `over`."""
    left = {process.sentinel: process for process in crew}
    while left:
        for sentinel in connection.wait([*left]):
            status = exit_status(left.pop(sentinel))
            if status and not over.wait(GRACE if status > 0 else 0):
                os._exit(1)


def exit_status(process) -> int:
    process.join()
    return process.exitcode


def parent_has_ended(within: float | None) -> bool:
    parent = parent_process()
    assert parent is not None
    return bool(connection.wait([parent.sentinel], within))


def end_with_the_parent() -> None:
    parent_has_ended(within=None)
    os._exit(1)
