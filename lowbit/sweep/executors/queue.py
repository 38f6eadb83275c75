"""Jobs in the order given, each as soon as the float network that it begins with is there."""

from collections.abc import Iterable
from math import inf

from lowbit.sweep.executors.attempt import Failed, Job, Outcome, Watch
from lowbit.sweep.executors.team import ranks


class Queue:
    """What is still to be begun, and the watch that is told of ends."""

    def __init__(self, jobs: Iterable[Job], watch: Watch) -> None:
        self.waiting, self.watch = list(jobs), watch

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def take(self, room: float = inf) -> Job | None:
        """The first job that can begin and needs at most `room` processes; None if all that are
        left wait for another's end."""
        job = next((job for job in self.waiting if job.ready and ranks(job) <= room), None)
        if job is None:
            return None
        self.waiting.remove(job)
        return job.supplied()

    def put_back(self, job: Job) -> None:
        """In front: it had begun."""
        self.waiting.insert(0, job)

    def ended(self, key: str, outcome: Outcome) -> None:
        """Tells the watch; what was to begin with a network that failed has failed, too."""
        self.watch.ended(key, outcome)
        if isinstance(outcome, Failed):
            error = f"the float network that it begins with: {outcome.error}"
            for job in [job for job in self.waiting if job.start and job.start.stem == key]:
                self.waiting.remove(job)
                self.watch.ended(job.key, Failed(error, outcome.trace))
