"""Threads that wait for work, one queue each, and what a forked child has to make anew."""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue

Job = Callable[[], None]


class Workers:
    """`count` threads besides the caller's, started when first needed."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.queues: list[SimpleQueue[Job | None]] = []

    def start(self) -> None:
        self.queues = [SimpleQueue() for _ in range(self.count)]
        for jobs in self.queues:
            threading.Thread(target=serve, args=(jobs,), daemon=True, name="lowbit").start()
        weakref.finalize(self, dismiss, self.queues)

    def run(self, jobs: Sequence[Job]) -> None:
        """The first job here, which returns when the work is done, the others on the threads."""
        if len(self.queues) < self.count:
            self.start()
        try:
            for queue, job in zip(self.queues, jobs[1:], strict=True):
                queue.put(job)
        finally:  # whatever interrupts, no thread is left alone with the work
            jobs[0]()


def serve(jobs: "SimpleQueue[Job | None]") -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # or what it refers to would live until the next one


def dismiss(queues: "Sequence[SimpleQueue[Job | None]]") -> None:
    for jobs in queues:
        jobs.put(None)


class Turns:
    """A lock, and workers. Neither survives a fork: the child gets new ones."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.renew()
        EVERY.add(self)

    def renew(self) -> None:
        self.lock, self.workers = threading.Lock(), Workers(self.threads - 1)


EVERY: "weakref.WeakSet[Turns]" = weakref.WeakSet()


def renew() -> None:
    for turns in list(EVERY):
        turns.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew)
