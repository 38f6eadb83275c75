"""Trials in processes of this machine, each on one thread; a process that dies is replaced.

Processes are spawned, not forked: neither OpenMP's nor Numba's threads survive a fork. A worker
ends with its driver, so that none is left to compute what nobody will store, and leaves Ctrl-C to
the driver.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from lowbit.sweep.executors.attempt import Failed, Job, Run, Watch, attempt
from lowbit.sweep.executors.queue import Queue
from lowbit.sweep.executors.team import SPAWN, beside, end_with_the_parent, parent_has_ended, ranks

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(eq=False)
class Worker:
    process: Any
    pipe: Connection
    job: Job | None = None


def execute(
    run: Run, jobs: Sequence[Job], watch: Watch, workers: int = 2, retries: int = 3
) -> None:
    """`retries` is how often a trial is begun anew because its process was killed."""
    queue, kills = Queue(jobs, watch), dict.fromkeys((job.key for job in jobs), 0)
    crew: list[Worker] = []
    try:
        while queue or any(worker.job for worker in crew):
            staff(crew, run, min(workers, len(jobs)))
            for worker in crew:
                if worker.job is None and (job := queue.take(room(crew, workers))):
                    hand(worker, job, watch)
            for pipe in connection.wait([w.pipe for w in crew if w.job]):
                worker = next(w for w in crew if w.pipe is pipe)
                if not listen(worker, queue):
                    crew.remove(worker)
                    mourn(worker, queue, kills, retries)
    finally:
        dismiss(crew)


def room(crew: list[Worker], workers: int) -> float:
    """How many processes more may train: whatever it takes, if none does."""
    busy = sum(ranks(worker.job) for worker in crew if worker.job)
    return workers - busy if busy else inf


def staff(crew: list[Worker], run: Run, wanted: int) -> None:
    with environment(ONE_THREAD):
        while len(crew) < wanted:
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=work, args=(theirs, run))
            process.start()
            theirs.close()  # so that the worker's death ends the pipe
            crew.append(Worker(process, ours))


def hand(worker: Worker, job: Job, watch: Watch) -> None:
    worker.job = job
    watch.started(job.key, f"process {worker.process.pid}")
    with contextlib.suppress(OSError):  # it has died: `listen` will notice
        worker.pipe.send(job)


def listen(worker: Worker, queue: Queue) -> bool:
    """Takes one message; False if the worker has died."""
    assert worker.job is not None
    try:
        kind, *content = worker.pipe.recv()
    except (EOFError, OSError):
        return False
    if kind == "advanced":
        queue.watch.advanced(worker.job.key, *content)
    else:
        key, worker.job = worker.job.key, None
        queue.ended(key, *content)
    return True


def mourn(worker: Worker, queue: Queue, kills: dict[str, int], retries: int) -> None:
    """Puts the trial of a dead worker back in front, unless it has cost too many."""
    job = worker.job
    assert job is not None
    worker.process.join()
    kills[job.key] += 1
    if kills[job.key] <= retries:
        queue.put_back(job)
        return
    error = f"its process died {kills[job.key]} times, {cause(worker.process.exitcode)}"
    queue.ended(job.key, Failed(error, error))


def cause(status: int) -> str:
    """Why a process ended, by its exit status as multiprocessing gives it."""
    if status >= 0:
        return f"the last time with status {status}"
    hint = " (out of memory?)" if -status == signal.SIGKILL else ""
    return f"the last time of {signal.Signals(-status).name}{hint}"


def dismiss(crew: list[Worker]) -> None:
    for worker in crew:
        worker.process.kill()
    for worker in crew:
        worker.process.join()
        worker.pipe.close()


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Sets variables that spawned processes inherit; those that the user has set stay."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]


def work(pipe: Connection, run: Run) -> None:
    """A worker's life: trials in, outcomes out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_parent, daemon=True).start()

    def tell(share: float, what: str) -> None:
        pipe.send(("advanced", share, what))

    with contextlib.suppress(EOFError, OSError):  # the driver is gone
        while job := next_job(pipe):
            with beside(run, job, fatal=True) as mine:
                outcome = attempt(run, mine, tell)
            pipe.send(("ended", outcome))


def next_job(pipe: Connection) -> Job | None:
    """None if the driver has died: what it left in the pipe is another driver's by now."""
    job = pipe.recv()
    return None if parent_has_ended(within=0) else job
