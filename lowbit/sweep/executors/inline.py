"""One trial after another, in this process: to look into one with a debugger."""

from collections.abc import Sequence
from functools import partial

from lowbit.sweep.executors.attempt import Job, Run, Watch, attempt
from lowbit.sweep.executors.queue import Queue
from lowbit.sweep.executors.team import beside


def execute(run: Run, jobs: Sequence[Job], watch: Watch) -> None:
    queue = Queue(jobs, watch)
    while job := queue.take():
        watch.started(job.key, "here")
        with beside(run, job, fatal=False) as mine:
            outcome = attempt(run, mine, partial(watch.advanced, job.key))
        queue.ended(job.key, outcome)
