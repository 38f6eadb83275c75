"""One trial after another, in this process: to look into one with a debugger."""

from collections.abc import Sequence
from functools import partial

from lowbit.sweep.executors.attempt import Job, Run, Watch, attempt


def execute(run: Run, jobs: Sequence[Job], watch: Watch) -> None:
    for job in jobs:
        watch.started(job.key, "here")
        watch.ended(job.key, attempt(run, job, partial(watch.advanced, job.key)))
